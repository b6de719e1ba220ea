// What a cell agrees on: small values under names, changed one at a time, watched by all. Its words
// are etcd's, because etcd is what keeps it in a cell; on one machine it is a file of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/runtime/env.h"

namespace forebay {

/// Every change of anything raises it by one; a key's last change is its `modified`.
using Revision = int64_t;
using LeaseId = int64_t;

struct RegistryEntry {
  std::string key;
  std::string value;
  Revision created = 0;
  Revision modified = 0;
  LeaseId lease = 0;  // 0: stays until it is removed
};

struct RegistrySnapshot {
  Revision revision = 0;
  std::vector<RegistryEntry> entries;  // in byte order of their keys
};

/// What must hold of a key for its change to happen; kVersionChanged (or kAlreadyExists) otherwise.
struct Expect {
  enum class Kind : unsigned char { kAnything, kAbsent, kModifiedAt };
  Kind kind = Kind::kAnything;
  Revision modified = 0;

  static Expect Absent() { return {Kind::kAbsent, 0}; }
  static Expect ModifiedAt(Revision revision) { return {Kind::kModifiedAt, revision}; }
};

struct RegistryChange {
  RegistryEntry entry;  // of a removal: key and `modified` only
  bool removed = false;
};

/// Changes under a prefix, each once and in order. Used from its own loop.
class RegistryWatch {
 public:
  virtual ~RegistryWatch() = default;
  /// At least one. kCorrupt: changes were missed (compaction); take a new snapshot and watch again.
  virtual Task<Result<std::vector<RegistryChange>>> Next(Call call) = 0;
};

/// Used from its own loop only. kUnavailable may mean that a change happened and its answer was
/// lost: look before doing it again.
class Registry {
 public:
  virtual ~Registry() = default;

  virtual Task<Result<std::optional<RegistryEntry>>> Get(std::string key, Call call) = 0;
  virtual Task<Result<RegistrySnapshot>> List(std::string prefix, Call call) = 0;
  /// Durable when it returns.
  virtual Task<Result<Revision>> Put(std::string key, std::string value, Expect expect,
                                     LeaseId lease, Call call) = 0;
  /// kNotFound where there was nothing.
  virtual Task<Result<Revision>> Delete(std::string key, Expect expect, Call call) = 0;

  /// What is put with a lease goes when the lease was not kept alive for `ttl`.
  virtual Task<Result<LeaseId>> GrantLease(Duration ttl, Call call) = 0;
  /// kNotFound: it has expired.
  virtual Task<Result<void>> KeepAlive(LeaseId lease, Call call) = 0;
  virtual Task<Result<void>> RevokeLease(LeaseId lease, Call call) = 0;

  /// Changes after `since`, which a List gave.
  virtual Task<Result<std::unique_ptr<RegistryWatch>>> Watch(std::string prefix, Revision since,
                                                             Call call) = 0;
};

}  // namespace forebay
