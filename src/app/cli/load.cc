#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "src/app/cli/interrupt.h"
#include "src/app/cli/many.h"
#include "src/app/cli/progress.h"
#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{32} << 20;  // one request of the node to the origin

struct Arguments {
  NodeArguments node;
  std::vector<std::string> paths;
  unsigned jobs = 8;
};

struct Piece {
  const Entry* object;
  uint64_t offset;
};

/// Pieces of all objects in the order of their names, taken by as many threads as there are jobs.
class Loader {
 public:
  Loader(Session& session, std::vector<Entry> objects)
      : session_(session), objects_(std::move(objects)) {
    for (const Entry& object : objects_) {
      total_ += object.size;
      for (uint64_t offset = 0; offset < object.size; offset += kPieceBytes) {
        pieces_.push_back({&object, offset});
      }
    }
  }

  Result<void> Run(unsigned jobs) {
    Progress progress("loading", total_);
    auto done = ForAll(pieces_.size(), jobs, [&](size_t n) { return Take(pieces_[n], progress); });
    seconds_ = progress.seconds();
    loaded_ = progress.bytes();
    if (!done && done.error().code() == Code::kCancelled) {
      return Fail(Code::kCancelled, "interrupted; run it again to go on");
    }
    return done;
  }

  void PrintSummary() const {
    fmt::print("{} of {} in {} objects, {:.1f} s, {}\n", FormatSize(loaded_), FormatSize(total_),
               objects_.size(), seconds_, FormatRate(static_cast<double>(loaded_) / seconds_));
  }

 private:
  Result<void> Take(const Piece& piece, Progress& progress) {
    const uint64_t size = std::min(kPieceBytes, piece.object->size - piece.offset);
    const auto done = session_.Prefetch(piece.object->path, piece.offset, size);
    if (!done) return Fail(done.error().Within(piece.object->path));
    progress.Add(size);
    return {};
  }

  Session& session_;
  const std::vector<Entry> objects_;
  std::vector<Piece> pieces_;
  uint64_t total_ = 0;
  uint64_t loaded_ = 0;
  double seconds_ = 0;
};

Result<void> AddBelow(Session& session, const std::string& prefix, std::vector<Entry>& objects) {
  FB_ASSIGN(Listing listing, session.List(prefix, false));
  while (!Interrupted()) {
    FB_ASSIGN(std::optional<Entry> entry, listing.Next());
    if (!entry) return {};
    objects.push_back(*std::move(entry));
  }
  return Fail(Code::kCancelled, "interrupted");
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  std::vector<Entry> objects;
  for (const std::string& path : arguments.paths) FB_TRY(AddBelow(session, path, objects));
  if (objects.empty()) {
    return Fail(Code::kNotFound, "no object has a name that begins so; `forebay ls` shows names");
  }
  Loader loader(session, std::move(objects));
  const auto done = loader.Run(arguments.jobs);
  loader.PrintSummary();
  return done;
}

}  // namespace

void AddLoadCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("load", "bring objects into the cache before they are read");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->paths, "a prefix, one or more: /imagenet/train/")
      ->required();
  command->add_option("-j,--jobs", arguments->jobs, "pieces asked for at one time [8]")
      ->check(CLI::Range(1u, kMaxJobs));
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "What is cached already is passed over quickly, so a load that was interrupted goes on when\n"
      "it is run again.\n\n"
      "Examples:\n  forebay load /imagenet/\n  forebay load -j 32 /models/llama/\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("load", done.error());
  });
}

}  // namespace forebay::app
