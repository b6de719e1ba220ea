// Where writes lie before they have their name. Each process that writes has a directory of its own
// there (a session), and holds a lock on a file in it: whoever gets that lock knows that the
// session is dead and sweeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "src/origin/file/key_locks.h"
#include "src/origin/file/root.h"
#include "src/runtime/env.h"

namespace forebay::file_origin {

/// Multipart uploads that nobody touched for so long are swept.
inline constexpr Duration kAbandonedUpload = std::chrono::hours(24 * 7);

/// A file without a name of its own yet. Must be discarded, or renamed away, before it is dropped.
class Staged {
 public:
  Staged(const Root& root, Env& env, std::shared_ptr<File> file)
      : root_(root), env_(env), file_(std::move(file)) {}

  const std::string& path() const { return file_->path(); }
  File& file() { return *file_; }
  uint64_t size() const { return size_; }

  /// One at a time.
  Task<Result<void>> Append(std::span<const Bytes> parts);
  Task<Result<void>> Sync();
  Task<void> Discard();

 private:
  const Root& root_;
  Env& env_;
  std::shared_ptr<File> file_;
  uint64_t size_ = 0;
};

/// Any loop.
class Staging {
 public:
  /// Both outlive it.
  Staging(const Root& root, KeyLocks& locks) : root_(root), locks_(locks) {}

  Task<Result<std::unique_ptr<Staged>>> NewFile(Env& env);
  /// Removes what dead sessions and abandoned uploads left. Goes on after errors; gives the first.
  Task<Result<void>> Sweep(Env& env);

 private:
  Task<Result<std::string>> Session(Env& env);
  Task<Result<void>> BeginSession(Env& env);
  Task<Result<bool>> TryBeginSession(Env& env, std::string directory);
  Task<Result<void>> SweepSession(Env& env, std::string directory);
  Task<Result<void>> SweepUpload(Env& env, std::string directory);
  void Forget(const std::string& session);

  const Root& root_;
  KeyLocks& locks_;
  std::mutex mutex_;
  std::string session_;         // guarded by mutex_; empty before the first write
  std::shared_ptr<File> lock_;  // guarded by mutex_
  uint64_t next_file_ = 0;      // guarded by mutex_
};

/// 32 digits that are nobody else's.
std::string NewId(Env& env);

/// Removes a directory and the files in it. Fine if it is not there.
Task<Result<void>> RemoveDirectory(Env& env, std::string directory);

}  // namespace forebay::file_origin
