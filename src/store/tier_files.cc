#include "src/store/tier_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "src/base/assert.h"
#include "src/base/checksum.h"
#include "src/base/units.h"
#include "src/store/index.h"
#include "src/store/planted.h"

namespace forebay {
namespace {

/// Fewer pages than this cannot hold one block of use.
constexpr uint64_t kMinDataPages = 64;

/// How many records are looked at to tell a tier that was never finished from a damaged one.
constexpr uint64_t kProbeRecords = 1024;

bool IsBlank(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// How many pages and records fit into the size that was asked for.
Result<Superblock> Divide(const DiskOptions& options) {
  Superblock super;
  super.records = std::max<uint64_t>(1, options.size_bytes / options.smallest_mean_block);
  const uint64_t index_bytes = RoundUp(kRecordsOffset + super.records * Record::kBytes, kPageBytes);
  if (options.size_bytes < index_bytes + kMinDataPages * kPageBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("disk tier {}: {} is too small; give it at least {}", options.directory,
                            FormatSize(options.size_bytes), FormatSize(kMiB)));
  }
  super.data_pages = (options.size_bytes - index_bytes) / kPageBytes;
  if (super.data_pages >= kNone || super.records >= kNone / 2) {
    return Fail(Code::kInvalidArgument,
                fmt::format("disk tier {}: {} is too large; a tier ends at 16 TiB, use several",
                            options.directory, FormatSize(options.size_bytes)));
  }
  return super;
}

}  // namespace

std::string TierFiles::PathOf(std::string_view file) const {
  return fmt::format("{}/forebay.{}", options_.directory, file);
}

Task<Result<std::unique_ptr<TierFiles>>> TierFiles::Open(Env& env, DiskOptions options,
                                                         Hash128 node_id) {
  std::unique_ptr<TierFiles> files(new TierFiles(std::move(options)));
  const auto opened = co_await files->OpenBoth(env, node_id);
  if (opened) co_return std::move(files);
  if (files->fresh_) co_await files->Unmake(env);
  co_return Fail(opened.error().Within("disk tier " + files->directory()));
}

/// A tier that could not be made whole is not left half made: after a sync that failed, what the
/// files seem to hold may never become durable.
Task<void> TierFiles::Unmake(Env& env) {
  for (const char* file : {"index", "data"})
    static_cast<void>(co_await env.disk.Remove(PathOf(file)));
}

Task<Result<void>> TierFiles::OpenBoth(Env& env, Hash128 node_id) {
  FB_CO_ASSIGN(Superblock wanted, Divide(options_));
  FB_CO_TRY(co_await env.disk.MakeDirectory(options_.directory));
  FB_CO_ASSIGN(index_, co_await env.disk.Open(PathOf("index"),
                                              {.write = true, .create = true, .lock = true}));
  FB_CO_ASSIGN(data_,
               co_await env.disk.Open(PathOf("data"),
                                      {.write = true, .create = true, .direct = options_.direct}));
  FB_CO_ASSIGN(const FileInfo index, co_await env.disk.Stat(PathOf("index")));
  FB_CO_ASSIGN(const FileInfo data, co_await env.disk.Stat(PathOf("data")));
  wanted.node_id = node_id;
  // An index shorter than its superblock was cut off while it was being made: nothing was stored
  // yet.
  if (index.size_bytes >= kRecordsOffset) {
    FB_CO_ASSIGN(super_, co_await ReadSuper(env));
  }
  fresh_ = super_.tier_id == 0;
  if (!fresh_ && super_.node_id != node_id) {
    co_return Fail(Code::kInvalidArgument,
                   "these are the files of another node; name another directory, or delete them");
  }
  wanted.tier_id = fresh_ ? env.rng.Next() | 1 : super_.tier_id;  // 0 means: none
  const uint64_t data_bytes = wanted.data_pages * kPageBytes;
  // A tier that becomes smaller is cut only once it is known that nothing dirty lies in the part
  // that goes: see Trim.
  if (data.size_bytes < data_bytes || fresh_) {
    FB_CO_TRY(co_await env.disk.Resize(*data_, data_bytes, options_.preallocate));
  }
  const uint64_t index_bytes =
      RoundUp(kRecordsOffset + wanted.records * Record::kBytes, kPageBytes);
  if (fresh_ || index.size_bytes < index_bytes) {
    FB_CO_TRY(co_await env.disk.Resize(*index_, index_bytes, options_.preallocate));
  }
  // Every time, though mostly nothing has changed: a former process may have died between making
  // the files and syncing them, and what it left can be seen without being durable.
  FB_CO_TRY(co_await WriteSuper(env, wanted));
  FB_CO_TRY(co_await env.disk.Sync(*data_));
  FB_CO_TRY(co_await SyncNames(env));
  super_ = wanted;
  co_return Result<void>();
}

/// The files' names, and those of the directories above them, which may be as new.
Task<Result<void>> TierFiles::SyncNames(Env& env) {
  FB_CO_TRY(co_await env.disk.SyncDirectory(options_.directory));
  for (std::string path = options_.directory; path.find('/') != path.npos && path != "/";) {
    const size_t slash = path.rfind('/');
    path = slash == 0 ? "/" : path.substr(0, slash);
    const auto synced = co_await env.disk.SyncDirectory(path);
    if (synced) continue;
    // What we may not look into was there before us.
    if (synced.error().code() == Code::kPermissionDenied) break;
    co_return synced;
  }
  co_return Result<void>();
}

Task<Result<Superblock>> TierFiles::ReadSuper(Env& env) {
  alignas(kDiskAlignment) std::array<std::byte, kRecordsOffset> pages;
  FB_CO_TRY(co_await env.disk.Read(*index_, 0, pages));
  const Bytes all(pages);
  auto first = Superblock::Decode(all.first(Superblock::kBytes));
  if (first) co_return std::move(first);
  auto copy = Superblock::Decode(all.subspan(Superblock::kBytes));
  if (copy) co_return std::move(copy);
  // The second copy is made durable before the first is begun: while the first is blank, no record
  // was written.
  FB_CO_ASSIGN(const auto records, co_await ReadRecords(env, 0, kProbeRecords));
  if (IsBlank(all.first(Superblock::kBytes)) && IsBlank(records)) co_return Superblock{};
  co_return Fail(first.error().Within(PathOf("index")));
}

/// One copy after the other, each made durable, so that a power cut leaves at least one.
Task<Result<void>> TierFiles::WriteSuper(Env& env, const Superblock& super) {
  std::array<std::byte, Superblock::kBytes> page;
  super.Encode(page);
  for (const uint64_t offset : {Superblock::kBytes, uint64_t{0}}) {
    const Bytes part(page);
    FB_CO_TRY(co_await env.disk.Write(*index_, offset, std::span(&part, 1)));
    FB_CO_TRY(co_await env.disk.Sync(*index_));
  }
  co_return Result<void>();
}

Task<Result<void>> TierFiles::Trim(Env& env) {
  FB_CO_ASSIGN(const FileInfo data, co_await env.disk.Stat(PathOf("data")));
  if (data.size_bytes <= super_.data_pages * kPageBytes) co_return Result<void>();
  co_return co_await env.disk.Resize(*data_, super_.data_pages * kPageBytes, false);
}

Task<Result<void>> TierFiles::ReadData(Env& env, uint64_t page, MutableBytes into) {
  FB_CO_ASSIGN(const size_t got, co_await env.disk.Read(*data_, page * kPageBytes, into));
  if (got < into.size()) {
    co_return Fail(Code::kIoError, fmt::format("{} ends before page {}", data_->path(),
                                               page + into.size() / kPageBytes));
  }
  co_return Result<void>();
}

Task<Result<void>> TierFiles::WriteData(Env& env, uint64_t page, std::span<const Bytes> parts) {
  return env.disk.Write(*data_, page * kPageBytes, parts);
}

Task<Result<std::vector<std::byte>>> TierFiles::ReadRecords(Env& env, uint64_t slot,
                                                            uint64_t count) {
  std::vector<std::byte> bytes(count * Record::kBytes);
  const uint64_t offset = kRecordsOffset + slot * Record::kBytes;
  FB_CO_ASSIGN(const size_t got, co_await env.disk.Read(*index_, offset, bytes));
  bytes.resize(RoundDown(got, Record::kBytes));
  co_return std::move(bytes);
}

Task<Result<void>> TierFiles::WriteRecords(Env& env, uint64_t slot, Bytes records) {
  const uint64_t offset = kRecordsOffset + slot * Record::kBytes;
  co_return co_await env.disk.Write(*index_, offset, std::span(&records, 1));
}

Task<Result<void>> TierFiles::Sync(Env& env) {
  if (Planted(PlantedBug::kSkipSync)) co_return Result<void>();
  FB_CO_TRY(co_await env.disk.Sync(*data_));
  co_return co_await env.disk.Sync(*index_);
}

}  // namespace forebay
