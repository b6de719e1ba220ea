#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/cli/status_figure.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/checksum.h"

namespace forebay::app {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
constexpr unsigned kReaders = 4;

struct Arguments {
  NodeArguments node;
  std::string path;
  std::string directory;
  std::string tcp;
};

/// What an object must consist of: its size, and the checksum of each piece.
struct Expected {
  uint64_t size = 0;
  std::vector<uint32_t> pieces;
};
using DataSet = std::map<std::string, Expected>;  // by path in the cache

Result<Expected> Summarize(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(Code::kNotFound, file + ": cannot be read");
  Expected expected;
  std::vector<std::byte> piece(kPieceBytes);
  size_t filled = 0;
  while (true) {
    const auto size = ReadSome(fd, MutableBytes(piece).subspan(filled), file);
    if (!size) return close(fd), Fail(size.error());
    filled += *size;
    if (filled == piece.size() || (*size == 0 && filled > 0)) {
      expected.pieces.push_back(Crc32c(Bytes(piece).first(filled), 0));
      expected.size += filled;
      filled = 0;
    }
    if (*size == 0) break;
  }
  close(fd);
  return expected;
}

Result<DataSet> Summarize(const std::string& directory, const std::string& path) {
  DataSet all;
  std::error_code error;
  const std::string prefix = path.ends_with('/') ? path : path + "/";
  for (std::filesystem::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (!at->is_regular_file()) continue;
    const std::string name = std::filesystem::relative(at->path(), directory).string();
    FB_ASSIGN(all[prefix + name], Summarize(at->path().string()));
  }
  if (error) return Fail(Code::kNotFound, fmt::format("{}: {}", directory, error.message()));
  if (all.empty()) return Fail(Code::kNotFound, directory + ": no file in it");
  return all;
}

/// How one pass over the whole data set went.
struct Pass {
  std::atomic<uint64_t> bytes = 0;
  std::atomic<uint64_t> wrong = 0;  // objects
  double seconds = 0;
};

bool ReadsRight(Session& session, const std::string& path, const Expected& expected, Pass& pass) {
  auto object = session.Open(path);
  if (!object || object->info().size != expected.size) return false;
  std::vector<std::byte> piece(std::min(kPieceBytes, expected.size));
  for (size_t i = 0; i < expected.pieces.size(); ++i) {
    const uint64_t offset = i * kPieceBytes;
    const auto into = MutableBytes(piece).first(std::min(kPieceBytes, expected.size - offset));
    const auto size = object->Read(into, offset);
    if (!size || *size != into.size() || Crc32c(into, 0) != expected.pieces[i]) return false;
    pass.bytes += *size;
  }
  return true;
}

/// Names that the cache lists, and the data set does not have, or the other way round.
Result<uint64_t> WrongNames(Session& session, const std::string& path, const DataSet& data) {
  FB_ASSIGN(Listing listing, session.List(path.ends_with('/') ? path : path + "/", false));
  uint64_t known = 0;
  uint64_t unknown = 0;
  while (true) {
    FB_ASSIGN(const auto entry, listing.Next());
    if (!entry) return unknown + data.size() - known;
    ++(data.contains(entry->path) ? known : unknown);
  }
}

void ReadAll(Session& session, const DataSet& data, Pass& pass) {
  std::vector<const DataSet::value_type*> objects;
  for (const auto& object : data) objects.push_back(&object);
  std::atomic<size_t> next = 0;
  const double start = SecondsNow();
  {
    std::vector<std::jthread> readers;
    for (unsigned i = 0; i < kReaders; ++i) {
      readers.emplace_back([&] {
        for (size_t n = next++; n < objects.size() && !Interrupted(); n = next++) {
          if (!ReadsRight(session, objects[n]->first, objects[n]->second, pass)) ++pass.wrong;
        }
      });
    }
  }
  pass.seconds = SecondsNow() - start;
}

struct Door {
  std::string name;
  NodeArguments node;
};

/// Everything cold and then warm through one door; the number of wrong objects. By TCP without a
/// token nobody may evict, so `admin` does.
Result<uint64_t> Show(const Door& door, Session& admin, const Arguments& arguments,
                      const DataSet& data) {
  FB_ASSIGN(Session session, Session::Connect(door.node));
  FB_TRY(admin.client().Evict(arguments.path));
  uint64_t wrong = 0;
  for (const char* state : {"cold", "warm"}) {
    FB_ASSIGN(const std::string before, admin.client().StatusJson());
    Pass pass;
    ReadAll(session, data, pass);
    if (Interrupted()) return Fail(Code::kCancelled, "interrupted");
    FB_ASSIGN(const uint64_t wrong_names, WrongNames(session, arguments.path, data));
    FB_ASSIGN(const std::string after, admin.client().StatusJson());
    const auto grown = [&](std::string_view group, std::string_view name) {
      return StatusFigure(after, group, name) - StatusFigure(before, group, name);
    };
    const uint64_t wrong_here = pass.wrong + wrong_names;
    fmt::print("{:<24} {:<5} {:>11} {:>8} {:>8} {:>9} {:>13}  {}\n", door.name, state,
               FormatRate(static_cast<double>(pass.bytes) / pass.seconds), grown("read", "hits"),
               grown("read", "misses"), grown("origin", "requests"), grown("origin", "bytes"),
               wrong_here == 0 ? "all right" : fmt::format("{} WRONG", wrong_here));
    std::fflush(stdout);
    wrong += wrong_here;
  }
  return wrong;
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(const DataSet data, Summarize(arguments.directory, arguments.path));
  std::vector<Door> doors{{"socket, shared memory", arguments.node}, {"socket", arguments.node}};
  doors[1].node.no_shared_memory = true;
  if (!arguments.tcp.empty()) {
    doors.push_back({"TCP", arguments.node});
    doors.back().node.node = arguments.tcp;
  }
  fmt::print("{:<24} {:<5} {:>11} {:>8} {:>8} {:>9} {:>13}\n", "door", "cache", "throughput",
             "hits", "misses", "origin", "origin bytes");
  FB_ASSIGN(Session admin, Session::Connect(arguments.node));
  uint64_t wrong = 0;
  for (const Door& door : doors) {
    const auto shown = Show(door, admin, arguments, data);
    if (!shown) return Fail(shown.error().Within(door.name));
    wrong += *shown;
  }
  if (wrong > 0) return Fail(Code::kCorrupt, fmt::format("{} objects were wrong", wrong));
  fmt::print("{} objects, every byte right\n", data.size());
  return {};
}

}  // namespace

void AddDemoCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(
      "demo", "read everything cold and warm through every door, and compare it with its files");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "an attachment; it is evicted: /demo")->required();
  command->add_option("DIR", arguments->directory, "the folder that it is attached to")->required();
  command->add_option("--tcp", arguments->tcp, "the same node by TCP")->type_name("HOST:PORT");
  AddNodeArguments(*command, arguments->node);
  command->footer("`./dev up --demo` makes a data set, starts a node and runs this.\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("demo", done.error());
  });
}

}  // namespace forebay::app
