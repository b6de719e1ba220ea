// What further loops bring: the same node, unpinned, with as many loops as it takes by itself
// against one loop, under many connections from several threads.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "bench/child.h"
#include "bench/node_fixture.h"
#include "bench/rows.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/platform/linux/loop_threads.h"
#include "src/runtime/run_on.h"
#include "src/runtime/task_group.h"
#include "src/wire/connection.h"

namespace forebay::bench {
namespace {

constexpr uint32_t kObjects = 10'000;
constexpr uint32_t kValueBytes = 4 * kKiB;
constexpr int kConnections = 64;  // in all
constexpr int kDepth = 16;
constexpr uint64_t kRequests = 300'000;  // in all

std::string NameOf(uint64_t n) {
  return fmt::format("/{:012}", n);
}

/// Of one thread; used from it alone.
struct Load {
  uint64_t left = 0;
  Prng prng{1};
  std::vector<std::unique_ptr<wire::Connection>> connections;
  Result<void> outcome;
};

Task<void> GetInTurn(wire::Connection* connection, Load* load) {
  std::vector<std::byte> into(kValueBytes);
  while (load->left > 0 && load->outcome) {
    --load->left;
    const std::string path = "/data" + NameOf(load->prng.Below(kObjects));
    const auto got = co_await connection->Get(path, 0, into, {});
    if (got && got->size == kValueBytes) continue;
    load->outcome = got ? Fail(Code::kInternal, "a short value") : Fail(got.error());
  }
}

Task<void> Dial(Env* env, std::string address, int count, Load* load) {
  for (int n = 0; n < count && load->outcome; ++n) {
    auto made = co_await wire::Connection::Connect(*env, address, {}, {});
    if (made) load->connections.push_back(std::move(*made));
    if (!made) load->outcome = Fail(made.error());
  }
}

Task<void> GetAll(Env* env, Load* load) {
  TaskGroup group(env->executor);
  for (const auto& connection : load->connections) {
    for (int n = 0; n < kDepth; ++n) group.Spawn(GetInTurn(connection.get(), load));
  }
  co_await group.Join();
}

Task<void> HangUp(Load* load) {
  for (const auto& connection : load->connections) co_await connection->Close();
  load->connections.clear();
}

/// Gets a second, of all threads together.
Task<Result<double>> RunLoad(Env* home, std::vector<Env*> at, std::string address) {
  const auto count = at.size();
  std::vector<Load> loads(count);
  TaskGroup group(home->executor);
  for (size_t i = 0; i < count; ++i) {
    loads[i].left = kRequests / count;
    loads[i].prng = Prng(i);
    group.Spawn(RunOn(at[i]->executor, home->executor,
                      Dial(at[i], address, kConnections / static_cast<int>(count), &loads[i])));
  }
  co_await group.Join();
  const Stopwatch watch;
  for (size_t i = 0; i < count; ++i) {
    group.Spawn(RunOn(at[i]->executor, home->executor, GetAll(at[i], &loads[i])));
  }
  co_await group.Join();
  const double seconds = watch.Seconds();
  for (size_t i = 0; i < count; ++i) {
    co_await RunOn(at[i]->executor, home->executor, HangUp(&loads[i]));
  }
  for (const Load& load : loads) FB_CO_TRY(load.outcome);
  co_return static_cast<double>(kRequests) / seconds;
}

class LoopsRow {
 public:
  static Result<std::unique_ptr<LoopsRow>> Make(size_t client_threads) {
    auto made = std::unique_ptr<LoopsRow>(new LoopsRow);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string origin = made->place_->path() + "/origin";
    std::filesystem::create_directory(origin);
    for (uint32_t n = 0; n < kObjects; ++n) FB_TRY(WriteFile(origin + NameOf(n), kValueBytes));
    FB_ASSIGN(made->many_, made->StartNode("many", {.origin = origin}));
    FB_ASSIGN(made->one_, made->StartNode("one", {.origin = origin, .loops = 1}));
    FB_ASSIGN(made->loop_, Loop::Create({}));
    FB_ASSIGN(made->clients_, LoopThreads::Start(client_threads, {}));
    return made;
  }

  Result<double> Many() { return Run(*many_); }
  Result<double> One() { return Run(*one_); }

 private:
  LoopsRow() = default;
  Result<std::unique_ptr<RunningNode>> StartNode(const std::string& name,
                                                 const RunningNode::Options& options) {
    const std::string directory = place_->path() + "/" + name;
    std::filesystem::create_directory(directory);
    FB_ASSIGN(auto node, RunningNode::Start(directory, options));
    FB_TRY(node->Command("load /data"));
    return node;
  }
  Result<double> Run(const RunningNode& node) {
    return loop_->Run(RunLoad(&loop_->env(), clients_->envs(), node.tcp()));
  }

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> many_;
  std::unique_ptr<RunningNode> one_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<LoopThreads> clients_;
};

}  // namespace

void NodeLoopsRows(Report& report) {
  const std::string row = "node.tcp.loops";
  if (!report.Wants(row)) return;
  Unpin();
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const auto made = LoopsRow::Make(std::max<size_t>(1, cores / 2));
  if (!made) return report.Missing(row, made.error().ToString());
  // Where the clients' threads take the cores there is nothing to win, only something to lose.
  const double target = cores >= 4 ? 1.5 : 0.9;
  report.Compare(
      row, "gets/s", Goal::kAtLeast, target, [&] { return (*made)->Many(); },
      [&] { return (*made)->One(); });
}

}  // namespace forebay::bench
