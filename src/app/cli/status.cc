#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "src/app/cli/session.h"
#include "src/app/cli/status_figure.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  bool json = false;
};

void PrintForPeople(std::string_view json) {
  const auto number = [&](std::string_view group, std::string_view name) {
    return StatusFigure(json, group, name);
  };
  const auto size = [&](std::string_view group, std::string_view name) {
    return FormatSize(StatusFigure(json, group, name));
  };
  const uint64_t hits = number("read", "hits");
  const uint64_t all = hits + number("read", "misses");
  fmt::print("up       {}\n",
             FormatSeconds(static_cast<double>(number("process", "uptime_ms")) / 1000));
  fmt::print("blocks   {} ({} of {} of memory in use, the process has {})\n",
             number("blocks", "count"), size("memory", "used_bytes"),
             size("memory", "capacity_bytes"), size("memory", "rss_bytes"));
  fmt::print("read     {}, {:.1f}% of {} blocks were here ({} through shared memory)\n",
             size("read", "bytes"),
             all == 0 ? 0.0 : 100 * static_cast<double>(hits) / static_cast<double>(all), all,
             size("read", "local_bytes"));
  fmt::print("written  {} in {} objects or parts\n", size("write", "bytes"),
             number("write", "requests"));
  fmt::print("origin   {} in {} requests, {} failed\n", size("origin", "bytes"),
             number("origin", "requests"), number("origin", "errors"));
  fmt::print("doors    {} connections so far, {} requests, {} refused\n",
             number("door", "connections"), number("door", "requests"), number("door", "refused"));
}

Result<void> Run(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const std::string json, session.client().StatusJson());
  if (arguments.json) {
    fmt::print("{}{}", json, json.ends_with('\n') ? "" : "\n");
  } else {
    PrintForPeople(json);
  }
  return {};
}

}  // namespace

void AddStatusCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("status", "what the node holds and has done");
  auto arguments = std::make_shared<Arguments>();
  command->add_flag("--json", arguments->json, "every figure; docs/STATUS_JSON.md says which");
  AddNodeArguments(*command, arguments->node);
  command->footer("Examples:\n  forebay status\n  forebay status --json | jq .origin.requests\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("status", done.error());
  });
}

}  // namespace forebay::app
