#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::vector<std::string> paths;
  std::string offset = "0";
  std::string size;
};

Result<void> Run(const Arguments& arguments) {
  FB_ASSIGN(const uint64_t offset, ParseSize(arguments.offset));
  uint64_t size = UINT64_MAX;
  if (!arguments.size.empty()) {
    FB_ASSIGN(size, ParseSize(arguments.size));
  }
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  for (const std::string& path : arguments.paths) {
    FB_ASSIGN(OpenObject object, session.Open(path));
    FB_TRY(ReadCurrent(session, path, std::move(object), offset, size, [](Bytes bytes) {
      return WriteAll(STDOUT_FILENO, bytes, "standard output");
    }));
  }
  return {};
}

}  // namespace

void AddCatCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("cat", "write objects to standard output");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->paths, "/ATTACHMENT/KEY, one or more")->required();
  command->add_option("--offset", arguments->offset, "begin there [0]")->type_name("SIZE");
  command->add_option("--size", arguments->size, "at most so much of each [all]")
      ->type_name("SIZE");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "Examples:\n  forebay cat /imagenet/labels.txt | head\n"
      "  forebay cat --offset 1GiB --size 4KiB /models/llama.bin | xxd\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("cat", done.error());
  });
}

}  // namespace forebay::app
