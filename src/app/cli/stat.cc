#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::string path;
};

Result<void> Run(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const forebay_info info, session.Stat(arguments.path));
  std::string version;
  for (const uint8_t byte : info.version) version += fmt::format("{:02x}", byte);
  fmt::print("path      {}\nsize      {} ({})\nmodified  {} UTC\netag      {}\nversion   {}\n",
             Visible(arguments.path), info.size, FormatSize(info.size),
             FormatTime(info.modified_ns), Visible(info.etag), version);
  return {};
}

}  // namespace

void AddStatCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("stat", "what an object is: size, time, version");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY")->required();
  AddNodeArguments(*command, arguments->node);
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("stat " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
