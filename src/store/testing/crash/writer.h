// A process that uses a store as hard as it can until it is killed, and what must be true of the
// store afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/store/testing/crash/child.h"
#include "src/store/testing/io_testing.h"

namespace forebay::store_testing {

struct WriterOptions {
  std::string directory;
  IoBackend backend = IoBackend::kUring;
  bool direct = true;
  bool preallocate = true;
  uint64_t seed = 1;
};

/// Of the store that writer and checker share. It is far smaller than what passes through it.
StoreOptions WriterStoreOptions(const WriterOptions& options);

/// What the writers have been promised.
class Ledger {
 public:
  /// Takes in what `writer` has reported: until it has acknowledged `writes` of them and a little
  /// more, or to the end of what a dead one had sent. False: it said that something was wrong.
  bool Follow(Child& writer, uint64_t writes);
  bool Drain(Child& writer);

  /// Opens the store as it was left and looks at all of it: each promise kept, no byte wrong.
  void Check(Loop& loop, const WriterOptions& options);

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t opened() const { return opened_; }
  uint64_t blocks_seen() const { return blocks_seen_; }
  uint64_t rotten() const { return rotten_; }

 private:
  bool Receive(Child& writer, bool wait);
  Result<void> OpenSoon(StoreOnLoop& on, const StoreOptions& options);
  void CheckPromises(StoreOnLoop& on);
  void CheckRest(StoreOnLoop& on);

  std::map<BlockKey, uint32_t> durable_;  // acknowledged and not cleaned since: its length
  uint64_t acknowledged_ = 0;
  uint64_t opened_ = 0;
  uint64_t blocks_seen_ = 0;
  uint64_t rotten_ = 0;
  std::string complaint_;
};

/// A writer at work.
Child StartWriter(const WriterOptions& options);

/// Opens the writers' store in another process and closes it. nullopt, or the code with which it
/// does not open.
std::optional<Code> OpenElsewhere(const WriterOptions& options);

}  // namespace forebay::store_testing
