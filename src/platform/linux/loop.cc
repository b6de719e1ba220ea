#include "src/platform/linux/loop.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>

#include <cerrno>

#include "src/platform/linux/clock.h"
#include "src/platform/linux/disk.h"
#include "src/platform/linux/epoll_backend.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/file_pool.h"
#include "src/platform/linux/http_curl.h"
#include "src/platform/linux/http_direct.h"
#include "src/platform/linux/log.h"
#include "src/platform/linux/memory.h"
#include "src/platform/linux/net.h"
#include "src/platform/linux/reactor.h"
#include "src/platform/linux/rng.h"
#include "src/platform/linux/uring_backend.h"

namespace forebay {
namespace {

constexpr int kFileThreadsUring = 4;
constexpr int kFileThreadsEpoll = 16;

/// What is as large is mapped for itself, and gone when it is freed. A megabyte that is written, or
/// a thousand small answers in one batch, cost some tens of microseconds more for it.
constexpr int kOwnMapping = 256 << 10;
constexpr int kKeptFree = 4 << 20;

}  // namespace

std::string_view IoBackendName(IoBackend io) {
  return io == IoBackend::kUring ? "uring" : "epoll";
}

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

void KeepLittleFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, kOwnMapping);
  mallopt(M_TRIM_THRESHOLD, kKeptFree);
}

/// Everything of one loop, in the order in which the parts need each other.
class Loop::Impl {
 public:
  explicit Impl(const LoopOptions& options)
      : options_(options),
        own_log_(options.log == nullptr ? MakeStderrLog(LogLevel::kWarning) : nullptr) {}

  Result<void> Open();
  void Drive(std::coroutine_handle<> root, const bool* done);
  Env& env() { return env_; }
  IoBackend io() const { return io_; }

 private:
  Result<void> OpenBackend(IoBackend io);
  void Pin();
  Log& log() { return own_log_ != nullptr ? *own_log_ : *options_.log; }

  const LoopOptions options_;
  IoBackend io_ = IoBackend::kUring;
  bool pinned_ = false;
  std::unique_ptr<Log> own_log_;
  platform::Reactor reactor_;
  std::optional<platform::FilePool> pool_;
  platform::LinuxClock clock_{reactor_};
  platform::LinuxNet net_{reactor_, clock_, options_.zero_copy_bytes};
  platform::LinuxDisk disk_{reactor_};
  const platform::HttpLimits http_limits_{options_.http_connections,
                                          options_.http_kept_connections};
  platform::KnownAddresses known_addresses_{clock_};
  std::unique_ptr<Http> http_ =
      platform::MakeDirectHttp(net_, clock_, http_limits_, known_addresses_,
                               platform::MakeCurlHttp(reactor_, http_limits_, known_addresses_));
  platform::LinuxMemory memory_;
  platform::LinuxRng rng_;
  NoFaults faults_;
  Env env_{reactor_, clock_, net_, disk_, *http_, memory_, rng_, faults_, log()};
};

Result<void> Loop::Impl::OpenBackend(IoBackend io) {
  const int by_default = io == IoBackend::kUring ? kFileThreadsUring : kFileThreadsEpoll;
  pool_.emplace(reactor_, options_.file_threads > 0 ? options_.file_threads : by_default);
  FB_ASSIGN(auto backend, io == IoBackend::kUring ? platform::MakeUringBackend(reactor_, *pool_)
                                                  : platform::MakeEpollBackend(reactor_, *pool_));
  reactor_.Use(std::move(backend));
  io_ = io;
  return {};
}

Result<void> Loop::Impl::Open() {
  if (options_.io) return OpenBackend(*options_.io);
  const Result<void> uring = OpenBackend(IoBackend::kUring);
  if (uring) return {};
  log().Info("platform", uring.error().message());
  return OpenBackend(IoBackend::kEpoll);
}

void Loop::Impl::Pin() {
  if (options_.cpu < 0 || pinned_) return;
  pinned_ = true;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(options_.cpu), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
    log().Warning("platform", fmt::format("cannot pin a loop to core {}: {}", options_.cpu,
                                          platform::ErrnoText(errno)));
  }
}

void Loop::Impl::Drive(std::coroutine_handle<> root, const bool* done) {
  Pin();
  reactor_.Post(root);
  reactor_.DriveUntil(done);
}

Loop::Loop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loop::~Loop() = default;

Result<std::unique_ptr<Loop>> Loop::Create(LoopOptions options) {
  auto impl = std::make_unique<Impl>(options);
  FB_TRY(impl->Open());
  return std::unique_ptr<Loop>(new Loop(std::move(impl)));
}

Env& Loop::env() {
  return impl_->env();
}
IoBackend Loop::io() const {
  return impl_->io();
}
void Loop::Drive(std::coroutine_handle<> root, const bool* done) {
  impl_->Drive(root, done);
}

}  // namespace forebay
