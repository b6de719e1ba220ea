#include "src/platform/linux/loop_threads.h"

#include <gtest/gtest.h>

#include <thread>

#include "src/platform/linux/test_loop.h"
#include "src/runtime/run_on.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

class LoopThreadsOnBoth : public LoopTest {
 protected:
  void Start(size_t count) {
    auto threads = LoopThreads::Start(count, {.io = GetParam()});
    ASSERT_TRUE(threads) << threads.error().ToString();
    threads_ = std::move(*threads);
  }
  std::unique_ptr<LoopThreads> threads_;
};
INSTANTIATE_TEST_SUITE_P(Io, LoopThreadsOnBoth, testing::ValuesIn(kBothBackends), BackendTestName);

/// Notes the threads on which its two ends come.
struct Noted {
  explicit Noted(std::thread::id* at) : ended(at) {}
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;
  ~Noted() { *ended = std::this_thread::get_id(); }
  std::thread::id* ended;
};

Task<std::thread::id> WhereAmI(std::unique_ptr<Noted> /*owned*/) {
  co_return std::this_thread::get_id();
}

Task<void> VisitAll(Env* home, std::vector<Env*> others) {
  const auto here = std::this_thread::get_id();
  for (Env* other : others) {
    std::thread::id ended;
    const auto there =
        co_await RunOn(other->executor, home->executor, WhereAmI(std::make_unique<Noted>(&ended)));
    EXPECT_NE(there, here);
    EXPECT_EQ(ended, there) << "what the task owns ends on its loop";
    EXPECT_EQ(std::this_thread::get_id(), here);
  }
  const auto there = co_await RunOn(home->executor, home->executor, WhereAmI(nullptr));
  EXPECT_EQ(there, here);
}

TEST_P(LoopThreadsOnBoth, ATaskRunsThereAndComesBack) {
  Start(3);
  ASSERT_EQ(threads_->envs().size(), 3u);
  loop_->Run(VisitAll(&env(), threads_->envs()));
}

Task<void> Answer(Env* there, const Descriptor* released, std::string peer) {
  auto stream = there->net.Adopt(*released, peer);
  EXPECT_TRUE(stream) << stream.error().ToString();
  if (!stream) co_return;
  EXPECT_EQ((*stream)->peer(), peer);
  std::array<std::byte, 64> into;
  const auto got = co_await (*stream)->Recv(into, {});
  EXPECT_EQ(got.value_or(0), 4u);
  const Bytes part = Bytes(into).first(got.value_or(0));
  EXPECT_TRUE(co_await (*stream)->Send(std::span(&part, 1), {}));
}

Task<void> AcceptAndHandOver(Env* home, Env* other, Listener* listener) {
  auto stream = co_await listener->Accept({});
  EXPECT_TRUE(stream);
  const std::string peer = (*stream)->peer();
  const auto released = (*stream)->Release();
  EXPECT_TRUE(released) << released.error().ToString();
  stream->reset();
  co_await RunOn(other->executor, home->executor, Answer(other, released->get(), peer));
}

Task<void> TalkAcross(Env* home, Env* other, std::string address) {
  auto listener = home->net.Listen(address);
  EXPECT_TRUE(listener);
  TaskGroup group(home->executor);
  group.Spawn(AcceptAndHandOver(home, other, listener->get()));
  auto client = co_await home->net.Connect((*listener)->address(), {});
  EXPECT_TRUE(client);
  const Bytes ping = AsBytes(std::string_view("ping"));
  EXPECT_TRUE(co_await (*client)->Send(std::span(&ping, 1), {}));
  std::array<std::byte, 64> into;
  const auto got = co_await (*client)->Recv(into, {});
  EXPECT_EQ(AsText(Bytes(into).first(got.value_or(0))), "ping");
  const auto end = co_await (*client)->Recv(into, {});
  EXPECT_EQ(end.value_or(1), 0u) << "nobody holds the connection any more";
  co_await group.Join();
}

TEST_P(LoopThreadsOnBoth, AConnectionChangesItsLoop) {
  Start(1);
  for (const std::string& address : {std::string("127.0.0.1:0"), "unix:" + PathOf("s")}) {
    loop_->Run(TalkAcross(&env(), threads_->envs().front(), address));
  }
}

TEST_P(LoopThreadsOnBoth, NoneAndIdleOnesEnd) {
  Start(0);
  EXPECT_TRUE(threads_->envs().empty());
  Start(2);
}

}  // namespace
}  // namespace forebay
