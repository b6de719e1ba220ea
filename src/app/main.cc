// The `forebay` program: reads the command line and hands over to a command.
#include <CLI/CLI.hpp>
#include <iostream>
#include <system_error>

#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace {

using namespace forebay::app;  // NOLINT(google-build-using-namespace): this file lists the commands

constexpr const char* kFooter =
    "Paths are /ATTACHMENT/KEY. Commands find the node by --node, FOREBAY_NODE, or the default\n"
    "socket: /run/forebay/forebay.sock as root, otherwise $XDG_RUNTIME_DIR/forebay.sock.\n\n"
    "First steps:\n"
    "  forebay node &                               a node with defaults that suit the machine\n"
    "  forebay attach /data file:///data            a name for a folder\n"
    "  forebay ls /data/                            what is in it\n"
    "  forebay cat /data/file | wc -c               read through the cache\n"
    "  forebay status                               what came from the cache\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the node or the\n"
    "origin cannot be reached now (try again), 6 changed meanwhile or exists already, 130 "
    "interrupted.\n";

constexpr void (*kCommands[])(CLI::App& app, int& status) = {
    AddNodeCommand,      AddAttachCommand, AddDetachCommand, AddAttachmentsCommand,
    AddLsCommand,        AddStatCommand,   AddCatCommand,    AddGetCommand,
    AddPutCommand,       AddRmCommand,     AddLoadCommand,   AddEvictCommand,
    AddWhereCommand,     AddStatusCommand, AddBenchCommand,  AddDemoCommand,
    AddNodesCommand,     AddMapCommand,    AddDrainCommand,  AddTopCommand,
    AddOriginCommand,    AddKeyCommand,    AddPolicyCommand, AddVersionCommand,
    AddCompletionCommand};

/// "cat ", or nothing where the line did not get as far as a command.
std::string NameOfCommand(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? "" : commands.front()->get_name() + " ";
}

/// What the command line asks for.
int Run(int argc, char** argv) {
  CLI::App app("One cache between object storage and everything that reads it.", "forebay");
  app.set_version_flag("--version", FOREBAY_VERSION);
  app.footer(kFooter);
  int status = kExitOk;
  for (const auto add : kCommands) add(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error), kExitOk;  // --help, --version
    std::cerr << "forebay: " << error.what() << "; see `forebay " << NameOfCommand(app)
              << "--help`\n";
    return kExitUsage;
  }
  // Not left to require_subcommand(), which would hide the name of an unknown command.
  if (app.get_subcommands().empty()) {
    std::cerr << app.help();
    return kExitUsage;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  int status = kExitFailed;
  try {
    status = Run(argc, argv);
  } catch (const std::system_error& error) {  // of printing
    return Complain("", forebay::Error(forebay::Code::kIoError, error.what()));
  }
  const auto arrived = FlushOutput();
  return arrived || status != kExitOk ? status : Complain("", arrived.error());
}
