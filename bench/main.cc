// forebay_bench GROUP [--json FILE] [--runs N] [--only SUBSTRING]: prints the figures of a group.
// A missed target is a row that says so; the exit code stays 0, because a figure is not a test.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "bench/output.h"
#include "bench/rows.h"

namespace forebay::bench {
namespace {

struct Group {
  const char* name;
  const char* about;
  std::vector<void (*)(Report&)> parts;
};

const std::vector<Group>& Groups() {
  static const std::vector<Group> groups = {
      {"store", "one node: policies, runtime and tiers", {PolicyRows, RuntimeRows, StoreRows}},
      {"node",
       "one node and its clients: local hits, TCP, cold reading",
       {WindowRows, NodeLocalRows, NodeRemoteRows, NodeLoopsRows, NodeCostRows, NodeOriginRows}},
      {"origin",
       "a store of objects through a node, against curl straight from it",
       {OriginRows, SlowStoreRows}},
      {"s3", "the S3 door, against nginx and a server of S3", {S3Rows}},
      {"cell", "many nodes: placement", {PlacementRows}},
  };
  return groups;
}

struct Arguments {
  std::string group = "all";
  std::string json_path;
  Report::Options report{.progress = true};
};

void Declare(CLI::App& app, Arguments& arguments) {
  std::vector<std::string> names = {"all"};
  for (const Group& group : Groups()) {
    names.push_back(group.name);
    app.footer(app.get_footer() + fmt::format("{:<8} {}\n", group.name, group.about));
  }
  app.add_option("group", arguments.group, "which figures")->check(CLI::IsMember(names));
  app.add_option("--json", arguments.json_path, "also write the rows to this file as JSON");
  app.add_option("--runs", arguments.report.pairs, "pairs a row, the first of which is dropped")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  app.add_option("--only", arguments.report.only, "only rows whose name contains this");
}

int Run(const Arguments& arguments) {
  // Opened before the minutes of measuring, so that a bad path does not cost them.
  std::ofstream json;
  if (!arguments.json_path.empty()) {
    json.open(arguments.json_path);
    if (!json) {
      fmt::print(stderr, "forebay_bench: cannot write {}\n", arguments.json_path);
      return 1;
    }
  }
  Report report(arguments.report);
  for (const Group& group : Groups()) {
    if (arguments.group != "all" && arguments.group != group.name) continue;
    for (const auto rows : group.parts) rows(report);
  }
  std::cout << ToTable(report.rows());
  if (json.is_open()) json << ToJson(report.rows());
  return 0;
}

}  // namespace
}  // namespace forebay::bench

int main(int argc, char** argv) {
  CLI::App app("Figures of Forebay against its peers, side by side in one run.", "forebay_bench");
  forebay::bench::Arguments arguments;
  forebay::bench::Declare(app, arguments);
  CLI11_PARSE(app, argc, argv);
  return forebay::bench::Run(arguments);
}
