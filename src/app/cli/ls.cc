#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::string path;
  bool detailed = false;
  bool recursive = false;
};

void PrintEntry(const Entry& entry, bool detailed) {
  // A line a name, also where a name would be two.
  const std::string name = Visible(entry.path);
  if (!detailed) {
    fmt::print("{}\n", name);
  } else if (entry.is_prefix) {
    fmt::print("{:>16}  {:<19}  {}\n", "-", "-", name);
  } else {
    fmt::print("{:>16}  {:<19}  {}\n", entry.size, FormatTime(entry.modified_ns), name);
  }
}

Result<void> Run(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(Listing listing, session.List(arguments.path, !arguments.recursive));
  while (true) {
    FB_ASSIGN(const std::optional<Entry> entry, listing.Next());
    if (!entry) return {};
    PrintEntry(*entry, arguments.detailed);
  }
}

}  // namespace

void AddLsCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("ls", "list names, a line each");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "a prefix: /imagenet/, /imagenet/train/n01")
      ->required();
  command->add_flag("-l,--long", arguments->detailed, "with size and time (UTC)");
  command->add_flag("-r,--recursive", arguments->recursive, "everything below, not one level");
  AddNodeArguments(*command, arguments->node);
  command->footer("Examples:\n  forebay ls /imagenet/\n  forebay ls -lr /imagenet/train/ | head\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("ls " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
