// The requests of one container, each as one call. Keys are relative to the origin's prefix.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/azure/address.h"
#include "src/origin/azure/blocks.h"
#include "src/origin/azure/signer.h"
#include "src/origin/http/driver_parts.h"
#include "src/origin/http/fetcher.h"

namespace forebay::azure {

/// Memory of the caller, and its checksum.
struct CheckedBody {
  Bytes bytes;
  uint64_t crc64 = 0;
};

/// Used from one loop, which it must outlive.
class Container {
 public:
  Container(Address address, std::shared_ptr<AzureSigner> signer,
            const http_origin::DriverParts& parts);

  const Address& address() const { return address_; }
  http_origin::Fetcher& fetcher() { return fetcher_; }
  const http_origin::Fetcher& fetcher() const { return fetcher_; }

  /// `judged`: with its CRC64, where the service tells that of so many bytes.
  http_origin::FetchRequest GetRequest(std::string_view key, uint64_t offset, uint64_t size,
                                       const std::string& if_match, bool judged) const;
  struct Found {
    ObjectInfo info;
    std::string mark;
    ObjectAttributes attributes;
    bool directory = false;  // of a hierarchical account, or a marker that tools leave for one
  };
  Task<Result<Found>> Head(Env& env, std::string key, Call call);
  Task<Result<std::string>> List(Env& env, std::string query, Call call);
  /// kAlreadyExists or kVersionChanged where the condition does not hold. An upload's id is the
  /// mark that it leaves with the object, so that it knows its own write again when the answer was
  /// lost: conditions fail against one's own object, too.
  struct Writing {
    std::string key;
    std::string mark;
    ObjectAttributes attributes;
    Condition condition;
  };
  Task<Result<ObjectInfo>> Put(Env& env, Writing writing, CheckedBody body, Call call);
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call);

  Task<Result<void>> PutBlock(Env& env, std::string key, std::string block_id, CheckedBody body,
                              Call call);
  /// Without any where there is neither an object nor a block.
  Task<Result<BlockList>> Blocks(Env& env, std::string key, Call call);
  /// `size` is that of all blocks. An error that Says InvalidBlockList: the service does not have
  /// them all (any more).
  Task<Result<ObjectInfo>> Complete(Env& env, Writing writing, std::vector<std::string> blocks,
                                    uint64_t size, Call call);

 private:
  using Whole = http_origin::Fetcher::Whole;
  http_origin::FetchRequest Request(std::string method, std::string_view key,
                                    std::string_view query = {}) const;
  Result<ObjectInfo> Written(const Whole& whole, const ObjectAttributes& attributes,
                             uint64_t size) const;
  /// Whether a write that seems to have failed was ours after all.
  Task<Result<ObjectInfo>> AfterRefusal(Env& env, Writing writing, Error refusal, Call call);
  std::unexpected<Error> StrippedOf(std::string_view what) const;

  const Address address_;
  const std::shared_ptr<AzureSigner> signer_;
  const std::shared_ptr<http_origin::Lane> lane_;
  http_origin::Fetcher fetcher_;
};

}  // namespace forebay::azure
