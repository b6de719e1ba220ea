// What names resolved to: (attachment, key) → version, size, etag, and until when that is fresh;
// also that a name has nothing. Bounded in bytes; what was not looked at since the hand last passed
// goes first.
//
// An answer of the origin may be older than a write that was made here meanwhile. So whoever asks
// takes a ticket first, and an answer is believed only where no write has touched its name since.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/block_key.h"

namespace forebay {

struct KnownName {
  bool exists = true;
  VersionId version;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  int64_t fresh_until_ns = 0;
  std::string etag;
};

/// Hears what the cache knows, as it changes, under the lock of the name's stripe: what it locks
/// comes after that, and it calls nothing of the cache. Any thread.
class NameWatcher {
 public:
  virtual ~NameWatcher() = default;
  /// `name` is the hash of the key, seeded by the attachment.
  virtual void Learned(AttachmentId attachment, const Hash128& name, const KnownName& known) = 0;
  virtual void Forgotten(AttachmentId attachment, const Hash128& name) = 0;
};

/// Any thread. An entry costs its key, its etag and about 100 bytes.
class NameCache {
 public:
  using Ticket = uint64_t;
  static constexpr uint32_t kStripes = 64;
  static constexpr size_t kMaxEtagBytes = 1024;  // a name with a longer one is not kept

  explicit NameCache(uint64_t capacity_bytes);
  ~NameCache();
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  /// False: not known. Reuses the memory of `known`.
  bool Find(AttachmentId attachment, std::string_view key, KnownName* known);

  /// The steps of a Find that is to come, for many names at a time: each brings what the next one
  /// touches into the processor's caches. They change nothing.
  static Hash128 HashOf(AttachmentId attachment, std::string_view key);
  void FetchSlot(const Hash128& name);
  void FetchEntry(const Hash128& name);
  /// The version of a name with this hash that exists, as a guess of what Find will say.
  std::optional<VersionId> Guess(const Hash128& name);

  /// Before asking the origin.
  Ticket Ask() const { return clock_.load(std::memory_order_relaxed); }
  /// A write has touched the name (or one that shares its mark) since `asked`: an answer to what
  /// was asked then may be old.
  bool Outdated(AttachmentId attachment, std::string_view key, Ticket asked);
  /// What the origin answered. False, and nothing changes, where it is outdated or something
  /// fresher is known.
  bool Learn(AttachmentId attachment, std::string_view key, const KnownName& known, Ticket asked);

  /// Around a write of a name. Where writes of one name overlap, nobody here knows which the origin
  /// took last, and the name is forgotten; so it is where `written` is null (the outcome is
  /// unknown).
  Ticket BeginWrite(AttachmentId attachment, std::string_view key);
  void EndWrite(AttachmentId attachment, std::string_view key, Ticket began,
                const KnownName* written);

  void Forget(AttachmentId attachment, std::string_view key);
  /// Only if it is still that version.
  void ForgetVersion(AttachmentId attachment, std::string_view key, const VersionId& version);

  struct Named {
    std::string key;
    VersionId version;
    uint64_t size;
  };
  /// Takes out all names of one stripe that begin with `prefix`; those that exist are returned. For
  /// 0..kStripes-1, so that nobody waits long.
  std::vector<Named> Take(uint32_t stripe, AttachmentId attachment, std::string_view prefix);
  /// The names of one stripe that exist, as far as is known.
  std::vector<Named> NamesOf(uint32_t stripe, AttachmentId attachment);

  /// From now on `watcher` hears of everything; null: nobody does, nor is being told.
  void Watch(NameWatcher* watcher);
  /// Tells the watcher all that is known of an attachment.
  void TellAll(AttachmentId attachment);

  uint64_t names();
  uint64_t bytes();

 private:
  struct Entry;
  static constexpr uint32_t kWriteMarks = 64;  // a stripe

  struct alignas(64) Stripe {
    std::mutex mutex;
    std::vector<Entry*> slots;  // open addressing; the size is a power of two
    // Where they are, for guesses without the lock: nothing there is looked at.
    std::atomic<const Entry* const*> table{nullptr};
    std::atomic<size_t> table_mask{0};
    uint64_t entries = 0;
    uint64_t bytes = 0;  // of the entries
    size_t hand = 0;
    std::array<Ticket, kWriteMarks> last_write{};
  };

  Stripe& StripeOf(const Hash128& hash) { return stripes_[hash.hi % kStripes]; }
  static Ticket& MarkOf(Stripe& stripe, const Hash128& hash);
  static size_t Locate(const Stripe& stripe, const Hash128& hash, AttachmentId attachment,
                       std::string_view key);
  static uint64_t Footprint(const Stripe& stripe);
  void Remove(Stripe& stripe, size_t at);
  void Insert(Stripe& stripe, const Hash128& hash, AttachmentId attachment, std::string_view key,
              const KnownName& known);
  void MakeRoom(Stripe& stripe, uint64_t bytes);
  Ticket Tick() { return clock_.fetch_add(1, std::memory_order_relaxed) + 1; }

  const uint64_t stripe_bytes_;
  std::unique_ptr<Stripe[]> stripes_;
  std::atomic<Ticket> clock_{1};
  std::atomic<NameWatcher*> watcher_{nullptr};
};

}  // namespace forebay
