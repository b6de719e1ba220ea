#include "src/platform/linux/loop_threads.h"

#include <fmt/format.h>
#include <pthread.h>

#include <system_error>
#include <thread>

#include "src/runtime/doorbell.h"

namespace forebay {
namespace {

Task<void> UntilRung(Doorbell* bell) {
  co_await bell->Wait();
}

}  // namespace

struct LoopThreads::One {
  explicit One(std::unique_ptr<Loop> its_loop)
      : loop(std::move(its_loop)), end(loop->env().executor) {}
  void Run(size_t number) {
    pthread_setname_np(pthread_self(), fmt::format("loop-{}", number).c_str());
    loop->Run(UntilRung(&end));
  }

  const std::unique_ptr<Loop> loop;
  Doorbell end;
  std::thread thread;
};

LoopThreads::LoopThreads() = default;

Result<std::unique_ptr<LoopThreads>> LoopThreads::Start(size_t count, const LoopOptions& options) {
  std::unique_ptr<LoopThreads> threads(new LoopThreads);
  for (size_t number = 1; number <= count; ++number) {
    FB_ASSIGN(auto loop, Loop::Create(options));
    auto one = std::make_unique<One>(std::move(loop));
    try {
      one->thread = std::thread(&One::Run, one.get(), number);
    } catch (const std::system_error& error) {
      return Fail(Code::kOverloaded, fmt::format("a thread for loop {}: {}; ask for fewer --loops",
                                                 number, error.what()));
    }
    threads->loops_.push_back(std::move(one));
  }
  return threads;
}

LoopThreads::~LoopThreads() {
  for (const auto& one : loops_) one->end.Ring();
  for (const auto& one : loops_) one->thread.join();
}

std::vector<Env*> LoopThreads::envs() const {
  std::vector<Env*> envs;
  envs.reserve(loops_.size());
  for (const auto& one : loops_) envs.push_back(&one->loop->env());
  return envs;
}

}  // namespace forebay
