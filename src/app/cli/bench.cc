#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/prng.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

constexpr uint64_t kRandomBytes = 4096;
constexpr uint64_t kSeed = 1;  // the same offsets every time: cold and warm compare

struct Arguments {
  NodeArguments node;
  std::string path;
  double seconds = 3;
  std::string read_size = "1MiB";
};

struct Measured {
  uint64_t bytes = 0;
  uint64_t reads = 0;
  double seconds = 0;
};

void PrintLine(std::string_view name, const Measured& measured) {
  fmt::print("{:<28} {:>12} {:>14.0f} reads/s\n", name,
             FormatRate(static_cast<double>(measured.bytes) / measured.seconds),
             static_cast<double>(measured.reads) / measured.seconds);
}

/// From the beginning to the end, at most `seconds` long.
Result<Measured> ReadInOrder(OpenObject& object, uint64_t read_size, double seconds) {
  std::vector<std::byte> buffer(read_size);
  Measured measured;
  const double start = SecondsNow();
  for (uint64_t offset = 0; offset < object.info().size && measured.seconds < seconds;) {
    if (Interrupted()) return Fail(Code::kCancelled, "interrupted");
    FB_ASSIGN(const size_t size, object.Read(buffer, offset));
    if (size == 0) break;
    offset += size;
    measured.bytes += size;
    ++measured.reads;
    measured.seconds = SecondsNow() - start;
  }
  return measured;
}

Result<Measured> ReadAtRandom(OpenObject& object, double seconds) {
  std::vector<std::byte> buffer(kRandomBytes);
  const uint64_t places = std::max<uint64_t>(1, object.info().size / kRandomBytes);
  Prng prng(kSeed);
  Measured measured;
  const double start = SecondsNow();
  while (measured.seconds < seconds) {
    if (Interrupted()) return Fail(Code::kCancelled, "interrupted");
    FB_ASSIGN(const size_t size, object.Read(buffer, prng.Below(places) * kRandomBytes));
    measured.bytes += size;
    ++measured.reads;
    measured.seconds = SecondsNow() - start;
  }
  return measured;
}

/// What is evicted is all whose names begin so.
Result<void> EvictsNothingElse(Session& session, const std::string& path) {
  FB_ASSIGN(Listing listing, session.List(path, false));
  for (;;) {
    FB_ASSIGN(const std::optional<Entry> entry, listing.Next());
    if (!entry) return {};
    if (entry->path == path) continue;
    return Fail(Code::kInvalidArgument,
                fmt::format("{} would be evicted, too: its name begins in the same way; choose an "
                            "object that is alone with its name",
                            Visible(entry->path)));
  }
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(const uint64_t read_size, ParseSize(arguments.read_size));
  if (read_size == 0 || read_size > kGiB) {
    return Fail(Code::kInvalidArgument, "--read-size: 1 byte to 1 GiB");
  }
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(const forebay_info info, session.Stat(arguments.path));
  if (info.size == 0) return Fail(Code::kInvalidArgument, "it is empty; there is nothing to read");
  FB_TRY(EvictsNothingElse(session, arguments.path));
  const std::string in_order = fmt::format("in order, {}", FormatSize(read_size));
  for (const bool cold : {true, false}) {
    const std::string name = cold ? "cold " : "warm ";
    if (cold) {
      FB_TRY(session.client().Evict(arguments.path));
    } else {
      FB_TRY(session.Prefetch(arguments.path, 0, 0));
    }
    FB_ASSIGN(OpenObject object, session.Open(arguments.path));
    FB_ASSIGN(const Measured ordered, ReadInOrder(object, read_size, arguments.seconds));
    PrintLine(name + in_order, ordered);
    if (cold) {
      FB_TRY(session.client().Evict(arguments.path));
    }
    FB_ASSIGN(const Measured random, ReadAtRandom(object, arguments.seconds));
    PrintLine(name + "at random, 4 KiB", random);
  }
  return {};
}

}  // namespace

void AddBenchCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("bench", "read an object cold and warm, and say how fast that was");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY; it is evicted before")->required();
  command->add_option("--seconds", arguments->seconds, "of each measurement, at most [3]")
      ->check(CLI::Range(0.01, 3600.0));
  command->add_option("--read-size", arguments->read_size, "of reads in order [1MiB]")
      ->type_name("SIZE");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "One reader, one read at a time: what a simple program would see. Evicting needs the right\n"
      "to administer. Figures to compare with others are those of ./dev bench.\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("bench " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
