#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "src/app/cli/session.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::vector<std::string> paths;
  bool force = false;
};

/// Goes on after an object that cannot be removed; the status is that of the last failure.
int Run(const Arguments& arguments) {
  auto session = Session::Connect(arguments.node);
  if (!session) return Complain("rm", session.error());
  int status = kExitOk;
  for (const std::string& path : arguments.paths) {
    const auto removed = session->Remove(path);
    if (removed || (arguments.force && removed.error().code() == Code::kNotFound)) continue;
    status = Complain("rm " + path, removed.error());
  }
  return status;
}

}  // namespace

void AddRmCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("rm", "remove objects from the origin");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->paths, "/ATTACHMENT/KEY, one or more")->required();
  command->add_flag("-f,--force", arguments->force, "fine where there is nothing");
  AddNodeArguments(*command, arguments->node);
  command->footer("To drop cached blocks and keep the object, use `forebay evict`.\n");
  command->callback([arguments, &status] { status = Run(*arguments); });
}

}  // namespace forebay::app
