// The body of a ranged read that survives its connection.
#pragma once

#include <memory>
#include <optional>

#include "src/origin/http/fetcher.h"

namespace forebay::http_origin {

/// What the head of an answer to a ranged GET says.
struct AnsweredRange {
  ObjectInfo info;
  uint64_t offset = 0;
  uint64_t size = 0;
  std::optional<uint64_t> crc64;  // of the bytes, where the store told it
};
/// kUnavailable, with the likely reason, where it does not say enough. `state_name` may be null.
Result<AnsweredRange> ReadRangeHead(const HttpResponse& response, const StateNameOf& state_name);

class FetchBody final : public OriginBody {
 public:
  FetchBody(Fetcher& fetcher, Env& env, std::string name, Fetcher::MakeGet make)
      : fetcher_(fetcher), env_(env), name_(std::move(name)), make_(std::move(make)) {}

  Task<Result<void>> Open(GetOptions options, Call call);

  const ObjectInfo& info() const override { return info_; }
  uint64_t size() const override { return size_; }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;
  bool judged_at_end() const override { return told_crc64_.has_value(); }

 private:
  struct Answer {
    int status = 0;
    AnsweredRange range;
    std::unique_ptr<HttpResponse> response;  // null: there are no such bytes (416)
  };
  Task<Result<Answer>> Ask(uint64_t offset, uint64_t size, std::string if_match, Call call);
  /// Of no bytes: past the end of an object, or an empty one.
  Task<Result<void>> OpenEmpty(GetOptions options, Call call);
  Task<Result<void>> Reopen(Call call);
  Result<void> Judge() const;
  /// Until when the next bytes are waited for before the rest is asked for again.
  Instant Patience(Call call) const;

  Fetcher& fetcher_;
  Env& env_;
  const std::string name_;  // of the object, for whoever reads
  const Fetcher::MakeGet make_;
  Lane* lane_ = nullptr;
  std::string object_;   // as its lane knows it
  std::string request_;  // its name, for messages
  ObjectInfo info_;
  uint64_t size_ = 0;
  uint64_t at_ = 0;                     // in the object: what comes next
  uint64_t left_ = 0;                   // of what was asked for
  uint32_t failures_ = 0;               // since bytes came last
  std::optional<uint64_t> told_crc64_;  // of all that was asked for
  uint64_t crc64_ = 0;                  // of what came
  std::unique_ptr<HttpResponse> response_;
};

}  // namespace forebay::http_origin
