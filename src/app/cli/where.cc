#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <vector>

#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/json_string.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

using client::ChunkOwners;

/// Objects of more chunks are summed up, an owner a line.
constexpr size_t kMostLines = 32;
constexpr size_t kMostRanges = 60;  // characters

struct Arguments {
  NodeArguments node;
  std::string path;
  bool json = false;
};

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 100 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

/// All chunks of an object, a page after the other.
Result<ChunkOwners> AskOwners(client::Client& client, const std::string& path) {
  FB_ASSIGN(ChunkOwners all, client.Owners(path, 0));
  std::map<std::string, size_t> numbers;
  for (size_t i = 0; i < all.nodes.size(); ++i) numbers[all.nodes[i].name] = i;
  while (all.chunks.size() * all.chunk_bytes < all.info.size) {
    FB_ASSIGN(const ChunkOwners page, client.Owners(path, all.chunks.size()));
    if (page.info.version != all.info.version || page.chunks.empty()) {
      return Fail(Code::kVersionChanged, "the object has changed just now; ask again");
    }
    const auto number = [&](size_t of_page) {
      const ChunkOwners::Node& node = page.nodes[of_page];
      const auto [at, fresh] = numbers.try_emplace(node.name, all.nodes.size());
      if (fresh) all.nodes.push_back(node);
      return at->second;
    };
    for (ChunkOwners::Chunk chunk : page.chunks) {
      chunk.owner = number(chunk.owner);
      chunk.next = number(chunk.next);
      all.chunks.push_back(chunk);
    }
  }
  return all;
}

uint64_t BytesOf(const ChunkOwners& owners, size_t chunk) {
  const uint64_t begin = chunk * owners.chunk_bytes;
  return std::min(owners.chunk_bytes, owners.info.size - begin);
}

/// "100% memory, 50% disk".
std::string HeldText(const ChunkOwners::Held& held, uint64_t bytes) {
  std::string text;
  if (held.memory_bytes > 0)
    text += fmt::format("{:.0f}% memory", Percent(held.memory_bytes, bytes));
  if (held.disk_bytes > 0) {
    text +=
        fmt::format("{}{:.0f}% disk", text.empty() ? "" : ", ", Percent(held.disk_bytes, bytes));
  }
  return text.empty() ? "nothing" : text;
}

void PrintChunks(const ChunkOwners& owners) {
  fmt::print("\n{:<7} {:<12} {:<20} {:<26} {:<26} {}\n", "CHUNK", "SIZE", "OWNER", "AT OWNER",
             "HERE", "NEXT");
  for (size_t i = 0; i < owners.chunks.size(); ++i) {
    const ChunkOwners::Chunk& chunk = owners.chunks[i];
    const ChunkOwners::Node& owner = owners.nodes[chunk.owner];
    const uint64_t bytes = BytesOf(owners, i);
    fmt::print("{:<7} {:<12} {:<20} {:<26} {:<26} {}\n", i, FormatSize(bytes), owner.name,
               owner.answered ? HeldText(chunk.at_owner, bytes) : "silent",
               HeldText(chunk.here, bytes),
               chunk.next == chunk.owner ? "-" : owners.nodes[chunk.next].name);
  }
}

/// What one owner has of a large object.
struct Sum {
  size_t chunks = 0;
  uint64_t bytes = 0;
  ChunkOwners::Held here, at_owner;
  std::string ranges;  // "0-3 7 9-11"
  size_t first = 0, last = 0;

  void Add(size_t chunk, uint64_t size, const ChunkOwners::Chunk& what) {
    if (chunks > 0 && chunk != last + 1) EndRange();
    if (chunks == 0 || chunk != last + 1) first = chunk;
    last = chunk;
    ++chunks;
    bytes += size;
    here.memory_bytes += what.here.memory_bytes;
    here.disk_bytes += what.here.disk_bytes;
    at_owner.memory_bytes += what.at_owner.memory_bytes;
    at_owner.disk_bytes += what.at_owner.disk_bytes;
  }
  void EndRange() {
    if (ranges.size() > kMostRanges) return;
    if (!ranges.empty()) ranges += ' ';
    ranges += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    if (ranges.size() > kMostRanges) ranges += " ...";
  }
};

void PrintSums(const ChunkOwners& owners) {
  std::vector<Sum> sums(owners.nodes.size());
  for (size_t i = 0; i < owners.chunks.size(); ++i) {
    sums[owners.chunks[i].owner].Add(i, BytesOf(owners, i), owners.chunks[i]);
  }
  fmt::print("\n{:<20} {:>7} {:>12}  {:<26} {:<26} {}\n", "OWNER", "CHUNKS", "SIZE", "AT OWNER",
             "HERE", "WHICH");
  for (size_t i = 0; i < sums.size(); ++i) {
    Sum& sum = sums[i];
    if (sum.chunks == 0) continue;
    sum.EndRange();
    fmt::print("{:<20} {:>7} {:>12}  {:<26} {:<26} {}\n", owners.nodes[i].name, sum.chunks,
               FormatSize(sum.bytes),
               owners.nodes[i].answered ? HeldText(sum.at_owner, sum.bytes) : "silent",
               HeldText(sum.here, sum.bytes), sum.ranges);
  }
}

void PrintForPeople(const client::Whereabouts& where, const ChunkOwners& owners) {
  fmt::print("size    {} ({})\nmemory  {} ({:.0f}%)\ndisk    {} ({:.0f}%)\netag    {}\n",
             where.info.size, FormatSize(where.info.size), where.memory_bytes,
             Percent(where.memory_bytes, where.info.size), where.disk_bytes,
             Percent(where.disk_bytes, where.info.size), Visible(where.info.etag));
  if (owners.nodes.empty() || owners.nodes.front().name.empty()) return;  // a node alone
  fmt::print("chunks  {} of {}, memory and disk are those of {}\n", owners.chunks.size(),
             FormatSize(owners.chunk_bytes), owners.nodes.front().name);
  if (owners.chunks.size() <= kMostLines) {
    PrintChunks(owners);
  } else {
    PrintSums(owners);
  }
  for (const ChunkOwners::Node& node : owners.nodes) {
    if (!node.answered) fmt::print("{} did not answer: {}\n", node.name, Visible(node.why));
  }
}

std::string HeldJson(const ChunkOwners::Held& held) {
  return fmt::format("{{\"memory_bytes\": {}, \"disk_bytes\": {}}}", held.memory_bytes,
                     held.disk_bytes);
}

void PrintJson(const std::string& path, const client::Whereabouts& where,
               const ChunkOwners& owners) {
  fmt::print(
      "{{\n  \"path\": {},\n  \"size\": {},\n  \"etag\": {},\n  \"memory_bytes\": {},\n"
      "  \"disk_bytes\": {},\n  \"chunk_bytes\": {},\n  \"node\": {},\n  \"silent\": {{",
      JsonString(path), where.info.size, JsonString(where.info.etag), where.memory_bytes,
      where.disk_bytes, owners.chunk_bytes,
      JsonString(owners.nodes.empty() ? "" : owners.nodes.front().name));
  const char* separator = "";
  for (const ChunkOwners::Node& node : owners.nodes) {
    if (node.answered) continue;
    fmt::print("{}{}: {}", separator, JsonString(node.name), JsonString(node.why));
    separator = ", ";
  }
  fmt::print("}},\n  \"chunks\": [");
  separator = "\n";
  for (size_t i = 0; i < owners.chunks.size(); ++i) {
    const ChunkOwners::Chunk& chunk = owners.chunks[i];
    const ChunkOwners::Node& owner = owners.nodes[chunk.owner];
    fmt::print(
        "{}    {{\"chunk\": {}, \"size\": {}, \"owner\": {}, \"next\": {}, \"here\": {}, "
        "\"at_owner\": {}}}",
        separator, i, BytesOf(owners, i), JsonString(owner.name),
        JsonString(owners.nodes[chunk.next].name), HeldJson(chunk.here),
        owner.answered ? HeldJson(chunk.at_owner) : "null");
    separator = ",\n";
  }
  fmt::print("\n  ]\n}}\n");
}

Result<void> RunWhere(const Arguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const client::Whereabouts where, session.client().Where(arguments.path));
  auto owners = AskOwners(session.client(), arguments.path);
  // A node of an earlier version knows of no owners.
  const bool knows = owners || owners.error().code() != Code::kUnsupported;
  if (!knows) owners = ChunkOwners();
  if (!owners) return Fail(owners.error());
  if (arguments.json) {
    PrintJson(arguments.path, where, *owners);
  } else {
    PrintForPeople(where, *owners);
  }
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
  CLI::App* command =
      app.add_subcommand("where", "how much of an object is cached, where, and who owns it");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY")->required();
  command->add_flag("--json", arguments->json, "all of it, for programs");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "Memory and disk are those of the node that is asked. In a cell, each chunk's owner is "
      "named\n"
      "and what it has of it, and who owns it next should that one go; of an object of many "
      "chunks\n"
      "the sums for each owner.\n\n"
      "Examples:\n  forebay where /models/llama.bin\n"
      "  forebay where /models/llama.bin --json | jq '.chunks[].owner'\n");
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
