#include "src/app/data_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <vector>

namespace forebay::app {
namespace {

constexpr size_t kIdDigits = 32;
constexpr size_t kMaxPidDigits = 10;

Task<Result<std::string>> ReadSmall(Env& env, File& file, size_t at_most) {
  std::vector<std::byte> bytes(at_most);
  FB_CO_ASSIGN(const size_t size, co_await env.disk.Read(file, 0, bytes));
  co_return std::string(AsText(Bytes(bytes).first(size)));
}

Task<Error> HeldByAnother(Env& env, std::string path) {
  std::string holder = "another process";
  auto file = co_await env.disk.Open(path + "/lock", {});
  if (file) {
    const auto pid = co_await ReadSmall(env, **file, kMaxPidDigits);
    if (pid && !pid->empty()) holder = "process " + pid->substr(0, pid->find('\n'));
  }
  co_return Error(Code::kInUse,
                  fmt::format("data directory {}: {} uses it; stop that node, or give this one a "
                              "directory of its own (--data)",
                              path, holder));
}

Task<Result<std::shared_ptr<File>>> TakeLock(Env& env, std::string path) {
  auto lock = co_await env.disk.Open(path + "/lock", {.write = true, .create = true, .lock = true});
  if (!lock && lock.error().code() == Code::kInUse) {
    co_return Fail(co_await HeldByAnother(env, path));
  }
  if (!lock) co_return Fail(lock.error().Within("data directory " + path));
  const std::string pid = fmt::format("{}\n", getpid());
  const Bytes parts[] = {AsBytes(pid)};
  FB_CO_TRY(co_await env.disk.Resize(**lock, 0, false));
  FB_CO_TRY(co_await env.disk.Write(**lock, 0, parts));
  co_return *std::move(lock);
}

Result<Hash128> ParseId(std::string_view text, const std::string& path) {
  Hash128 id;
  const char* const begin = text.data();
  if (text.size() >= kIdDigits) {
    const auto high = std::from_chars(begin, begin + kIdDigits / 2, id.hi, 16);
    const auto low = std::from_chars(begin + kIdDigits / 2, begin + kIdDigits, id.lo, 16);
    if (high.ptr == begin + kIdDigits / 2 && low.ptr == begin + kIdDigits) return id;
  }
  return Fail(Code::kCorrupt,
              fmt::format("{}: not the id of a node; restore the file, or remove it together with "
                          "the disk tiers, which know the node by it",
                          path));
}

/// Written whole under another name first: a start that is cut off leaves the old state.
Task<Result<Hash128>> MakeId(Env& env, std::string directory, std::string path) {
  const Hash128 id{env.rng.Next(), env.rng.Next() | 1};
  const std::string text = fmt::format("{:016x}{:016x}\n", id.hi, id.lo);
  const std::string draft = path + ".new";
  FB_CO_ASSIGN(const auto file,
               co_await env.disk.Open(draft, {.write = true, .create = true, .truncate = true}));
  const Bytes parts[] = {AsBytes(text)};
  FB_CO_TRY(co_await env.disk.Write(*file, 0, parts));
  FB_CO_TRY(co_await env.disk.Sync(*file));
  FB_CO_TRY(co_await env.disk.Rename(draft, path));
  FB_CO_TRY(co_await env.disk.SyncDirectory(directory));
  co_return id;
}

Task<Result<Hash128>> ReadOrMakeId(Env& env, std::string directory) {
  const std::string path = directory + "/node_id";
  auto file = co_await env.disk.Open(path, {});
  if (!file && file.error().code() == Code::kNotFound) {
    co_return co_await MakeId(env, directory, path);
  }
  if (!file) co_return Fail(file.error());
  FB_CO_ASSIGN(const std::string text, co_await ReadSmall(env, **file, kIdDigits + 1));
  co_return ParseId(text, path);
}

}  // namespace

Task<Result<DataDirectory>> OpenDataDirectory(Env& env, std::string path) {
  DataDirectory data{.path = path};
  if (const auto made = co_await env.disk.MakeDirectory(path); !made) {
    co_return Fail(made.error().Within("data directory (--data)"));
  }
  FB_CO_ASSIGN(data.lock, co_await TakeLock(env, path));
  FB_CO_ASSIGN(data.node_id, co_await ReadOrMakeId(env, path));
  co_return data;
}

}  // namespace forebay::app
