// `forebay origin check`: what a new user runs first. No node is needed; it does what a node would.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/app/origins.h"
#include "src/base/units.h"
#include "src/platform/linux/log.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"

namespace forebay::app {
namespace {

constexpr uint32_t kListed = 1000;
constexpr int kFirstBytes = 5;  // times that the way to the first byte is measured
constexpr uint64_t kRange = 8 * kMiB;
constexpr int kReaders = 8;
constexpr uint64_t kMostRead = 256 * kMiB;
constexpr Duration kPatience = std::chrono::seconds(30);  // of each step

struct Arguments {
  std::string origin;
  bool read_only = false;
};

/// Where the driver cannot know: it heard nothing. Of certificates more was said already.
std::string_view LikelyFix(const Error& error) {
  if (error.message().contains("certificate")) return "";
  switch (error.code()) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
      return "check the endpoint, DNS, firewalls and proxies (HTTPS_PROXY, NO_PROXY)";
    case Code::kOverloaded:
      return "the store asks for less; try again later";
    default:
      return "";
  }
}

/// Runs step by step and tells each as it ends; ends at the first that the next one needs.
class Check {
 public:
  Check(Env& env, Origin& origin, const Arguments& arguments)
      : env_(env), origin_(origin), arguments_(arguments) {}

  Task<Result<void>> Run() {
    FB_CO_TRY(co_await List());
    if (!largest_.key.empty()) {
      FB_CO_TRY(co_await FirstBytes());
      FB_CO_TRY(co_await Throughput());
    }
    if (!arguments_.read_only) FB_CO_TRY(co_await Write());
    fmt::print("good: forebay attach /NAME '{}'\n", origin_.url());
    co_return Result<void>();
  }

 private:
  Call Patient() { return {.deadline = env_.clock.Now() + kPatience, .cancel = {}}; }
  double SecondsSince(Instant begin) {
    return std::chrono::duration<double>(env_.clock.Now() - begin).count();
  }
  static void Tell(std::string_view step, std::string_view what) {
    fmt::print("{:<12} {}\n", step, what);
    std::fflush(stdout);
  }
  Error Failed(std::string_view step, const Error& error) const {
    Tell(step, "FAILED");
    const bool far = !origin_.url().starts_with("file://");
    const std::string_view fix = far ? LikelyFix(error) : "";
    if (fix.empty()) return error;
    return Error(error.code(), fmt::format("{}\n  likely: {}", error.message(), fix));
  }

  Task<Result<void>> List() {
    const Instant begin = env_.clock.Now();
    ListOptions options;
    options.limit = kListed;
    const auto page = co_await origin_.List(env_, options, Patient());
    const std::string credentials = origin_.credentials();
    if (!credentials.empty()) Tell("credentials", credentials);
    if (!page) co_return Fail(Failed("list", page.error()));
    uint64_t bytes = 0;
    for (const ListEntry& entry : page->entries) {
      bytes += entry.info.size;
      if (entry.info.size >= largest_.info.size) largest_ = entry;
    }
    Tell("list",
         fmt::format("{}{} objects, {}, in {:.0f} ms", page->entries.size(),
                     page->more ? " and more" : "", FormatSize(bytes), 1000 * SecondsSince(begin)));
    if (page->entries.empty()) Tell("read", "skipped: there is no object under this prefix");
    co_return Result<void>();
  }

  Task<Result<uint64_t>> ReadRange(uint64_t offset, uint64_t size, double* first_byte) {
    const Instant begin = env_.clock.Now();
    FB_CO_ASSIGN(const auto body,
                 co_await origin_.Get(
                     env_, largest_.key,
                     {.offset = offset, .size = size, .if_match = largest_.info.etag}, Patient()));
    std::vector<std::byte> into(kMiB);
    uint64_t bytes = 0;
    for (;;) {
      FB_CO_ASSIGN(const size_t came, co_await body->Read(into, Patient()));
      if (came > 0 && bytes == 0 && first_byte != nullptr) *first_byte = SecondsSince(begin);
      if (came == 0) co_return bytes;
      bytes += came;
    }
  }

  Task<Result<void>> FirstBytes() {
    std::vector<double> times;
    for (int i = 0; i < kFirstBytes; ++i) {
      double time = 0;
      const auto read = co_await ReadRange(0, std::min(kMiB, largest_.info.size), &time);
      if (!read) co_return Fail(Failed("read", read.error()));
      times.push_back(time);
    }
    std::ranges::sort(times);
    Tell("first byte",
         fmt::format("{:.1f} ms (median of {}; slowest {:.1f} ms)", 1000 * times[times.size() / 2],
                     times.size(), 1000 * times.back()));
    co_return Result<void>();
  }

  Task<void> ReadInTurn(uint64_t* next, uint64_t end, uint64_t* bytes, Result<void>* outcome) {
    while (*next < end && *outcome) {
      const uint64_t at = *next;
      *next += kRange;
      const auto read = co_await ReadRange(at, std::min(kRange, end - at), nullptr);
      if (!read) *outcome = Fail(read.error());
      if (read) *bytes += *read;
    }
  }

  Task<Result<void>> Throughput() {
    const uint64_t end = std::min(kMostRead, largest_.info.size);
    uint64_t next = 0, bytes = 0;
    Result<void> outcome;
    const Instant begin = env_.clock.Now();
    TaskGroup group(env_.executor);
    for (int i = 0; i < kReaders; ++i) group.Spawn(ReadInTurn(&next, end, &bytes, &outcome));
    co_await group.Join();
    if (!outcome) co_return Fail(Failed("throughput", outcome.error()));
    Tell("throughput",
         fmt::format("{} ({} of '{}', {} ranges of {} at a time)",
                     FormatRate(static_cast<double>(bytes) / SecondsSince(begin)),
                     FormatSize(bytes), Visible(largest_.key), kReaders, FormatSize(kRange)));
    co_return Result<void>();
  }

  Task<Result<ObjectInfo>> Put(std::string key, Condition condition) {
    FB_CO_ASSIGN(const auto upload, co_await origin_.Put(env_, key, condition, Patient()));
    const Bytes part = AsBytes("written by forebay origin check; may be removed\n");
    auto done = co_await upload->Write({&part, 1}, Patient());
    if (done) co_return co_await upload->Commit(Patient());
    co_await upload->Abort();
    co_return Fail(done.error());
  }

  /// A new name, then the same again, which must be refused.
  Task<Result<void>> Write() {
    const std::string key = fmt::format("forebay-check-{:016x}", env_.rng.Next());
    const Instant begin = env_.clock.Now();
    const auto first = co_await Put(key, {.if_absent = true, .if_match = {}});
    if (!first && first.error().code() == Code::kPermissionDenied) {
      Tell("write", "not allowed with these credentials: attach it with --read-only");
      co_return Result<void>();
    }
    if (!first) co_return Fail(Failed("write", first.error()));
    const double seconds = SecondsSince(begin);
    const auto second = co_await Put(key, {.if_absent = true, .if_match = {}});
    const auto removed = co_await origin_.Delete(env_, key, {}, Patient());
    const bool refused = !second && second.error().code() == Code::kAlreadyExists;
    if (second || !refused) {
      Tell("write", "FAILED");
      co_return Fail(Code::kUnsupported,
                     second ? "the store overwrites where it was told not to (If-None-Match): "
                              "two writers would lose one another's objects here"
                            : second.error().message());
    }
    if (!removed) {
      Tell("write", "FAILED");
      co_return Fail(removed.error().Within(fmt::format("remove '{}', which stays there", key)));
    }
    Tell("write", fmt::format("{:.0f} ms, conditions hold", 1000 * seconds));
    co_return Result<void>();
  }

  Env& env_;
  Origin& origin_;
  const Arguments& arguments_;
  ListEntry largest_;
};

Result<void> RunCheck(const Arguments& arguments) {
  const auto log = MakeStderrLog(LogLevel::kWarning, LogFormat::kText);
  FB_ASSIGN(const auto loop, Loop::Create({.log = log.get()}));
  http_origin::DriverParts parts;
  parts.surroundings = SurroundingsOfProcess();
  FB_ASSIGN(const auto origin, OpenOrigin(UrlOfOrigin(arguments.origin), parts));
  fmt::print("{:<12} {}\n", "origin", Visible(origin->url()));
  Check check(loop->env(), *origin, arguments);
  return loop->Run(check.Run());
}

}  // namespace

void AddOriginCommand(CLI::App& app, int& status) {
  CLI::App* origin = app.add_subcommand("origin", "look at an origin before it is attached");
  origin->require_subcommand(1);
  CLI::App* command = origin->add_subcommand(
      "check", "list, read and write as a node would, and say what is wrong");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option(
          "ORIGIN", arguments->origin,
          "azure://ACCOUNT/CONTAINER/PREFIX, s3://BUCKET/PREFIX, file:///data, or a folder")
      ->required();
  command->add_flag("--read-only", arguments->read_only, "write nothing, not even for a moment");
  command->footer(
      "Looks for credentials where a node in the same surroundings would (docs/ORIGINS.md).\n"
      "Examples:\n  forebay origin check azure://myaccount/datasets\n"
      "  forebay origin check 's3://bucket/train?region=eu-central-1' --read-only\n");
  command->callback([arguments, &status] {
    const auto done = RunCheck(*arguments);
    status = done ? kExitOk : Complain("origin check", done.error());
  });
}

}  // namespace forebay::app
