// An origin in memory for simulated worlds: it takes time, fails by a plan, changes objects under
// its readers, counts what it is asked for, and knows every byte that every version ever had.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/fault_report.h"
#include "src/base/prng.h"
#include "src/origin/origin.h"

namespace forebay {

/// Chances per opportunity; all off by default. Counted as "origin.NAME" in the world's report.
struct SimOriginFaults {
  double unavailable = 0;     // per request: kUnavailable, and nothing happened
  double overloaded = 0;      // per request: kOverloaded
  double denied = 0;          // per request: kPermissionDenied, final
  double hang = 0;            // per request or read: no answer until the deadline (or hang_time)
  double slow = 0;            // per request: slow_time on top
  double reset_in_body = 0;   // per read: kUnavailable, the body is of no more use
  double small_read = 0;      // per read: fewer bytes than were asked for
  double change_before = 0;   // per Get: the object was replaced just before
  double change_in_body = 0;  // per read: the object is replaced: kVersionChanged, or the old bytes
  double lost_reply = 0;      // per Commit and Delete: done, and kUnavailable
  Duration hang_time = std::chrono::seconds(120);
  Duration slow_time = std::chrono::seconds(3);
};

struct SimOriginOptions {
  Duration latency = std::chrono::milliseconds(10);  // of a request, half as much again by chance
  uint64_t bytes_per_second = 200u << 20;            // of one body
  bool cheap_head = false;
  SimOriginFaults faults;
};

/// Single-threaded: one simulated world. Outlives crashes of the nodes that use it.
class SimOrigin final : public Origin {
 public:
  /// `report` outlives it.
  SimOrigin(sim::FaultReport& report, uint64_t seed, SimOriginOptions options = {},
            std::string url = "sim://origin");
  ~SimOrigin() override;

  // -- For tests.

  /// Makes or replaces an object whose bytes are made up as they are read, so that it may be large.
  /// Returns its etag.
  std::string Make(const std::string& key, uint64_t size);
  std::string MakeOf(const std::string& key, std::string bytes);
  void Remove(const std::string& key);
  void SetFaults(const SimOriginFaults& faults) { options_.faults = faults; }
  /// Everything answers kUnavailable while it is down.
  void SetDown(bool down) { down_ = down; }

  /// Whether `bytes` is what lies at `offset` of the version `etag`, of whatever time.
  bool IsRight(std::string_view etag, uint64_t offset, Bytes bytes) const;
  /// Empty: there is none now.
  std::string CurrentEtag(const std::string& key) const;
  /// What the object holds now; "" if there is none.
  std::string ContentsOf(const std::string& key) const;
  size_t objects() const { return objects_.size(); }
  /// Uploads that were begun and neither committed nor aborted. A crashed node's stay.
  size_t open_uploads() const { return open_uploads_; }

  struct Counts {
    uint64_t heads = 0, gets = 0, lists = 0, puts = 0, deletes = 0, others = 0;
    uint64_t bytes_read = 0;  // given by bodies
    uint64_t requests() const { return heads + gets + lists + puts + deletes + others; }
  };
  const Counts& counts() const { return counts_; }
  void ResetCounts();
  /// How often the most often read byte of [offset, offset + size) of this version was given since
  /// ResetCounts, and how often the least.
  struct TimesRead {
    uint64_t least = 0;
    uint64_t most = 0;
  };
  TimesRead HowOftenRead(std::string_view etag, uint64_t offset, uint64_t size) const;

  // -- Origin.

  const std::string& url() const override { return url_; }
  const OriginCapabilities& capabilities() const override { return capabilities_; }
  Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) override;
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key, GetOptions options,
                                                Call call) override;
  Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key, Condition condition,
                                                  Call call) override;
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) override;
  Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key,
                                                      std::string upload_id, uint32_t number,
                                                      Call call) override;
  Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key,
                                                    std::string upload_id, Call call) override;
  Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key, std::string upload_id,
                                             std::vector<UploadedPart> parts, Condition condition,
                                             Call call) override;
  Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string upload_id,
                                    Call call) override;
  Task<Result<void>> Sweep(Env& env) override;

 private:
  class Body;
  class Upload;
  struct FaultCounts;
  struct Part {
    std::string etag;
    std::string bytes;
  };
  struct Multipart {
    std::string key;
    std::map<uint32_t, Part> parts;
  };
  /// One state of one object; kept for ever, so that what was read can be judged later.
  struct Version {
    std::string etag;
    uint64_t number = 0;
    uint64_t size = 0;
    int64_t modified_ns = 0;
    std::shared_ptr<const std::string> bytes;  // null: made up from the number
    void Read(uint64_t offset, MutableBytes into) const;
    ObjectInfo info() const { return {.etag = etag, .size = size, .modified_ns = modified_ns}; }
  };
  using VersionRef = std::shared_ptr<const Version>;

  std::string Keep(const std::string& key, Version version);
  VersionRef Find(const std::string& key) const;
  Result<void> CheckCondition(const std::string& key, const Condition& condition) const;
  Result<Multipart*> FindUpload(const std::string& key, const std::string& upload_id);
  void CountRead(const Version& version, uint64_t offset, uint64_t size);
  std::unexpected<Error> Failed(Code code, std::string_view what) const;
  /// The time of a request, and what goes wrong with it.
  Task<Result<void>> Begin(Env& env, Call call);
  Task<Result<void>> Pass(Env& env, Duration time, Call call);
  Task<Result<void>> Hang(Env& env, Call call);
  Result<void> LoseReply();

  const std::string url_;
  OriginCapabilities capabilities_;
  SimOriginOptions options_;
  Prng prng_;
  std::unique_ptr<FaultCounts> faults_;
  bool down_ = false;
  uint64_t next_number_ = 1;
  std::map<std::string, VersionRef> objects_;
  std::map<std::string, VersionRef, std::less<>> versions_;  // all there ever were, by etag
  std::map<std::string, Multipart> uploads_;
  size_t open_uploads_ = 0;
  Counts counts_;
  /// Of a version: where the number of times that bytes were given changes, and by how much.
  std::map<std::string, std::map<uint64_t, int64_t>, std::less<>> reads_;
};

}  // namespace forebay
