// An origin in memory that does what the test says, and remembers what it was asked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/base/prng.h"
#include "src/origin/origin.h"

namespace forebay::node_testing {

/// The only right bytes of an object made from `seed`.
inline void FillContent(uint64_t seed, uint64_t offset, MutableBytes into) {
  for (size_t i = 0; i < into.size();) {
    const uint64_t at = offset + i, within = at % 8;
    const uint64_t word = Mix64(seed + at / 8) >> (within * 8);
    const size_t size = std::min<size_t>(8 - within, into.size() - i);
    std::memcpy(into.data() + i, &word, size);
    i += size;
  }
}
bool IsContent(uint64_t seed, uint64_t offset, Bytes bytes);

class MemoryOrigin final : public Origin {
 public:
  struct Request {
    std::string key;
    uint64_t offset = 0;
    uint64_t size = 0;
    Hash128 trace;
  };
  struct Behaviour {
    OriginCapabilities capabilities;
    Duration latency = std::chrono::milliseconds(5);
    uint64_t bytes_per_second = 1ull << 30;
    size_t read_bytes = size_t{96} * 1024;  // the most that one Read of a body gives
    bool judges = false;                    // it tells checksums of ranges
  };

  /// Content that is made, not kept: of any size.
  void Set(const std::string& key, uint64_t seed, uint64_t size);
  bool Remove(const std::string& key);
  uint64_t SeedOf(const std::string& key) const { return objects_.at(key).seed; }
  bool Has(const std::string& key) const { return objects_.contains(key); }

  Behaviour behaviour;
  /// What a key was from a moment on.
  struct State {
    Instant from;
    bool exists = false;
    uint64_t version = 0;
    uint64_t seed = 0;
    uint64_t size = 0;
  };
  std::map<std::string, std::vector<State>> history;
  std::function<Instant()> now = [] { return Instant(); };
  /// Whether a fault of this kind strikes here.
  std::function<bool(std::string_view kind)> strikes = [](std::string_view) { return false; };
  static uint64_t VersionOf(std::string_view etag) {
    return std::stoull(std::string(etag.substr(1)));
  }

  /// The next so many requests, or reads of bodies, fail with kUnavailable.
  int fail_requests = 0;
  int fail_reads = 0;
  /// Of the next so many bodies that are judged, a byte is another one than was sent.
  int damage_bodies = 0;
  Duration answer_late{};  // between what a Head sees and its answer
  bool hang = false;       // requests wait for their deadline
  std::vector<Request> gets;
  int heads = 0;
  int lists = 0;
  uint64_t bytes_given = 0;

  const std::string& url() const override { return url_; }
  const OriginCapabilities& capabilities() const override { return behaviour.capabilities; }
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
  struct Object {
    uint64_t seed = 0;
    uint64_t size = 0;
    uint64_t version = 0;
    ObjectInfo info() const { return {"v" + std::to_string(version), size, 1}; }
  };
  class Body;
  class Upload;
  Task<Result<void>> Arrive(Env& env, Call call);
  Result<void> CheckCondition(const std::string& key, const Condition& condition) const;
  Result<void> CheckUpload(const std::string& key, const std::string& id) const;

  std::string url_ = "memory://test";
  struct PartsOf {
    std::string key;
    std::map<uint32_t, Object> parts;
  };
  std::map<std::string, Object> objects_;
  std::map<std::string, PartsOf> uploads_;  // by id
  uint64_t versions_ = 0;
};

}  // namespace forebay::node_testing
