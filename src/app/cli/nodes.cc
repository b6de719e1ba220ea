// What a node knows of its cell.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>
#include <vector>

#include "src/app/cli/session.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  bool json = false;
};

struct ListedNode {
  std::string name, index, address, region, zone, host, weight, state;
};

/// docs/PROTOCOL.md, Cell. Lines of later versions are passed over.
struct ListedCell {
  std::string epoch, self, controller, frozen;
  std::vector<ListedNode> nodes;

  explicit ListedCell(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string what;
      words >> what;
      if (what == "epoch") words >> epoch;
      if (what == "self") words >> self;
      if (what == "controller") words >> controller;
      if (what == "frozen") words >> frozen;
      if (what != "node") continue;
      ListedNode& node = nodes.emplace_back();
      words >> node.name >> node.index >> node.address >> node.region >> node.zone >> node.host >>
          node.weight >> node.state;
    }
  }
  size_t live() const {
    return static_cast<size_t>(
        std::ranges::count_if(nodes, [](const ListedNode& node) { return node.state != "gone"; }));
  }
};

Result<ListedCell> Ask(const Arguments& arguments,
                       wire::CellAction action = wire::CellAction::kNone) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const std::string text, session.client().CellText(action));
  return ListedCell(text);
}

Result<void> RunNodes(const Arguments& arguments) {
  FB_ASSIGN(const ListedCell cell, Ask(arguments));
  fmt::print("{:<20} {:>5}  {:<8} {:<24} {:<12} {:<12}\n", "NODE", "INDEX", "STATE", "ADDRESS",
             "REGION", "ZONE");
  for (const ListedNode& node : cell.nodes) {
    fmt::print("{:<20} {:>5}  {:<8} {:<24} {:<12} {:<12}{}{}\n", node.name, node.index, node.state,
               node.address, node.region, node.zone, node.name == cell.self ? " asked" : "",
               node.name == cell.controller ? " controller" : "");
  }
  return {};
}

/// No field has quotes or backslashes in it (Member::Validate).
void PrintJson(const ListedCell& cell) {
  fmt::print("{{\n  \"epoch\": {},\n  \"controller\": \"{}\",\n  \"frozen\": {},\n  \"nodes\": [",
             cell.epoch, cell.controller, cell.frozen);
  const char* separator = "\n";
  for (const ListedNode& node : cell.nodes) {
    fmt::print(
        "{}    {{\"name\": \"{}\", \"index\": {}, \"address\": \"{}\", \"region\": \"{}\", "
        "\"zone\": \"{}\", \"host\": \"{}\", \"weight\": {}, \"state\": \"{}\"}}",
        separator, node.name, node.index, node.address, node.region, node.zone, node.host,
        node.weight, node.state);
    separator = ",\n";
  }
  fmt::print("\n  ]\n}}\n");
}

Result<void> RunMap(const Arguments& arguments) {
  FB_ASSIGN(const ListedCell cell, Ask(arguments));
  if (arguments.json) return PrintJson(cell), Result<void>();
  fmt::print("epoch       {}\nnodes       {} live of {}\ncontroller  {}\n", cell.epoch, cell.live(),
             cell.nodes.size(), cell.controller);
  if (cell.frozen != "0") {
    fmt::print("frozen      {} vanished at once; `forebay map accept` says that they are dead\n",
               cell.frozen);
  }
  return {};
}

Result<void> RunAccept(const Arguments& arguments) {
  FB_ASSIGN(const ListedCell cell, Ask(arguments, wire::CellAction::kAcceptLosses));
  fmt::print("who is missing up to epoch {} will leave the map\n", cell.epoch);
  return {};
}

}  // namespace

void AddNodesCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("nodes", "who is in the cell of this node");
  auto arguments = std::make_shared<Arguments>();
  AddNodeArguments(*command, arguments->node);
  command->callback([arguments, &status] {
    const auto done = RunNodes(*arguments);
    status = done ? kExitOk : Complain("nodes", done.error());
  });
}

void AddMapCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("map", "what the nodes of the cell agree on");
  auto arguments = std::make_shared<Arguments>();
  command->add_flag("--json", arguments->json, "all of it, for programs");
  AddNodeArguments(*command, arguments->node);
  CLI::App* accept = command->add_subcommand(
      "accept", "say that nodes which vanished at once are dead: a frozen map lets them go");
  AddNodeArguments(*accept, arguments->node);
  command->footer("Examples:\n  forebay map\n  forebay map --json | jq '.nodes | length'\n");
  command->callback([arguments, accept, &status] {
    const auto done = accept->parsed() ? RunAccept(*arguments) : RunMap(*arguments);
    status = done ? kExitOk : Complain("map", done.error());
  });
}

}  // namespace forebay::app
