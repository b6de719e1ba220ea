// The `forebay` program: reads the command line and hands over to a command.
#include <CLI/CLI.hpp>
#include <iostream>

#include "src/app/commands.h"

namespace {

constexpr int kUsageError = 2;

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One cache between object storage and everything that reads it.", "forebay");
  app.set_version_flag("--version", FOREBAY_VERSION);
  int status = 0;
  forebay::app::AddPolicyCommand(app, status);
  forebay::app::AddVersionCommand(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  // Not left to require_subcommand(), which would hide the name of an unknown command.
  if (app.get_subcommands().empty()) {
    std::cerr << app.help();
    return kUsageError;
  }
  return status;
}
