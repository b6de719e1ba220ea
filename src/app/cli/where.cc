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

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 100 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

Result<void> RunWhere(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const client::Whereabouts where, session.client().Where(arguments.path));
  fmt::print("size    {} ({})\nmemory  {} ({:.0f}%)\ndisk    {} ({:.0f}%)\netag    {}\n",
             where.info.size, FormatSize(where.info.size), where.memory_bytes,
             Percent(where.memory_bytes, where.info.size), where.disk_bytes,
             Percent(where.disk_bytes, where.info.size), Visible(where.info.etag));
  return {};
}

Result<void> RunEvict(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const uint64_t bytes, session.client().Evict(arguments.path));
  fmt::print("{} forgotten\n", FormatSize(bytes));
  return {};
}

}  // namespace

void AddWhereCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("where", "how much of an object is cached, and where");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY")->required();
  AddNodeArguments(*command, arguments->node);
  command->callback([arguments, &status] {
    const auto done = RunWhere(*arguments);
    status = done ? kExitOk : Complain("where " + arguments->path, done.error());
  });
}

void AddEvictCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("evict", "forget what is cached; origins stay as they are");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "a prefix: /imagenet/, /imagenet/train/n01")
      ->required();
  AddNodeArguments(*command, arguments->node);
  command->callback([arguments, &status] {
    const auto done = RunEvict(*arguments);
    status = done ? kExitOk : Complain("evict " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
