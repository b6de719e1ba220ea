#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "src/app/cli/interrupt.h"
#include "src/app/cli/many.h"
#include "src/app/cli/progress.h"
#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"
#include "src/wire/peer_messages.h"

namespace forebay::app {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{32} << 20;  // of a large object
/// Asked for by one request; the pieces of small objects go together.
constexpr uint64_t kBatchBytes = uint64_t{32} << 20;
constexpr size_t kBatchPieces = wire::kMaxLoadItems;
static_assert(kBatchBytes + kPieceBytes <= wire::kMaxLoadBytes);
/// Requests in flight for each node of the cell.
constexpr unsigned kJobsPerNode = 8;
/// Of one request that came to its time: what had come by then is there.
constexpr int kTries = 3;
/// Where so many pieces have failed, the rest would, too.
constexpr size_t kMostFailures = 100;
constexpr auto kLook = std::chrono::milliseconds(50);

struct Arguments {
  NodeArguments node;
  std::vector<std::string> paths;
  unsigned jobs = 0;  // 0: by the number of nodes
};

/// Pieces of one attachment.
struct Batch {
  std::string attachment;
  std::vector<client::LoadPart> pieces;
  uint64_t bytes = 0;
};

/// "/imagenet/train/0.tar": "imagenet", "train/0.tar".
std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.find('/', 1);
  return {path.substr(1, slash - 1), path.substr(slash + 1)};
}

/// What objects are made of, in the order of their names.
std::vector<Batch> MakeBatches(const std::vector<Entry>& objects) {
  std::vector<Batch> batches;
  for (const Entry& object : objects) {
    const auto [attachment, key] = SplitPath(object.path);
    for (uint64_t offset = 0; offset < object.size; offset += kPieceBytes) {
      const uint64_t size = std::min(kPieceBytes, object.size - offset);
      const bool full = batches.empty() || batches.back().attachment != attachment ||
                        batches.back().bytes + size > kBatchBytes ||
                        batches.back().pieces.size() == kBatchPieces;
      if (full) batches.push_back({.attachment = attachment, .pieces = {}});
      batches.back().pieces.push_back({key, offset, size});
      batches.back().bytes += size;
    }
  }
  return batches;
}

/// What went wrong at one node.
struct Failures {
  size_t pieces = 0;
  std::string first;
};

/// Batches of all objects, taken by as many threads as there are jobs.
class Loader {
 public:
  Loader(Session& session, std::vector<Entry> objects)
      : client_(session.client()), objects_(objects.size()), batches_(MakeBatches(objects)) {
    for (const Batch& batch : batches_) total_ += batch.bytes;
  }

  /// An error of the first thing that failed; PrintSummary says what else did.
  Result<void> Run(unsigned jobs) {
    Progress progress("loading", total_);
    FB_TRY(CountNodes());
    if (jobs == 0) jobs = std::min<unsigned>(kMaxJobs, kJobsPerNode * std::min(nodes_, kMaxJobs));
    {
      std::vector<std::jthread> threads;
      running_ = static_cast<unsigned>(std::min<size_t>(jobs, batches_.size()));
      for (unsigned i = running_; i > 0; --i) {
        threads.emplace_back([&] { TakeBatches(progress); });
      }
      AwaitThreads(progress);
    }
    seconds_ = progress.seconds();
    if (Interrupted()) return Fail(Code::kCancelled, "interrupted; run it again to go on");
    if (error_) return Fail(*error_);
    return {};
  }

  void PrintSummary() const {
    for (const std::string& node : passed_over_) {
      fmt::print(stderr, "{} did not answer: the next owners brought in its part\n", node);
    }
    for (const auto& [node, failures] : failures_) {
      fmt::print(stderr, "{}: {} {} failed, the first: {}\n", node, failures.pieces,
                 failures.pieces == 1 ? "piece" : "pieces", failures.first);
    }
    fmt::print("{} of {} in {} objects, {:.1f} s, {}{}\n", FormatSize(loaded_), FormatSize(total_),
               objects_, seconds_, FormatRate(static_cast<double>(loaded_) / seconds_),
               nodes_ > 1 ? fmt::format(", {} nodes", nodes_) : "");
  }

 private:
  Result<void> CountNodes() {
    if (batches_.empty()) return {};
    FB_ASSIGN(const client::Loaded none, client_.Load(batches_.front().attachment, {}));
    nodes_ = none.nodes;
    return {};
  }

  /// Moves the bar, and ends the work at all nodes when somebody wants that.
  void AwaitThreads(Progress& progress) {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      changed_.wait_for(lock, kLook);
      progress.Add(0);
      if (Interrupted()) client_.Interrupt();
    }
  }

  void TakeBatches(Progress& progress) {
    std::unique_lock lock(mutex_);
    while (!Interrupted() && !stopped_ && next_ < batches_.size()) {
      const Batch& batch = batches_[next_++];
      lock.unlock();
      const auto loaded = Take(batch);
      if (loaded) progress.Add(loaded->bytes);
      lock.lock();
      if (loaded) {
        Note(batch, *loaded);
      } else if (!stopped_) {
        error_ = loaded.error();
        stopped_ = true;
      }
    }
    --running_;
    changed_.notify_all();
  }

  Result<client::Loaded> Take(const Batch& batch) {
    for (int attempt = 1;; ++attempt) {
      auto loaded = client_.Load(batch.attachment, batch.pieces);
      const bool late = !loaded && loaded.error().code() == Code::kDeadlineExceeded;
      if (!late || attempt == kTries || Interrupted()) return loaded;
    }
  }

  void Note(const Batch& batch, const client::Loaded& loaded) {
    loaded_ += loaded.bytes;
    passed_over_.insert(loaded.passed_over.begin(), loaded.passed_over.end());
    for (const auto& failure : loaded.failures) {
      if (failure.part >= batch.pieces.size()) continue;
      const std::string path =
          fmt::format("/{}/{}", batch.attachment, batch.pieces[failure.part].key);
      const std::string& message = failure.error.message();
      const std::string said =
          Visible(message.find(path) == message.npos ? path + ": " + message : message);
      Failures& at = failures_[failure.node];
      if (at.pieces++ == 0) at.first = said;
      if (!error_) error_ = Error(failure.error.code(), said);
      stopped_ = stopped_ || ++failed_ >= kMostFailures;
    }
  }

  client::Client& client_;
  const size_t objects_;
  const std::vector<Batch> batches_;
  uint64_t total_ = 0;
  uint32_t nodes_ = 1;
  double seconds_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  size_t next_ = 0;
  unsigned running_ = 0;
  bool stopped_ = false;
  uint64_t loaded_ = 0;
  size_t failed_ = 0;
  std::optional<Error> error_;  // the first
  std::set<std::string> passed_over_;
  std::map<std::string, Failures> failures_;  // by node
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
  command->add_option("-j,--jobs", arguments->jobs, "requests in flight [8 for each node]")
      ->check(CLI::Range(1u, kMaxJobs));
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "In a cell every node brings in what it owns, and nothing of it comes by way of another. "
      "What\n"
      "is cached already is passed over quickly, so a load that was interrupted goes on when it "
      "is\n"
      "run again.\n\n"
      "Examples:\n  forebay load /imagenet/\n  forebay load -j 32 /models/llama/\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("load", done.error());
  });
}

}  // namespace forebay::app
