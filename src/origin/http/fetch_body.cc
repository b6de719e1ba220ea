#include "src/origin/http/fetch_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/crc.h"
#include "src/origin/http/text.h"

namespace forebay::http_origin {
namespace {

constexpr int kPartial = 206;
constexpr int kRangeNotSatisfiable = 416;
/// Bytes of a body are late after so many times what nearly all heads took.
constexpr int kSilenceFactor = 4;

/// "bytes 0-99/1000"; false where it is anything else.
bool ParseContentRange(std::string_view text, AnsweredRange* range) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return false;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return false;
  const auto first = ParseNumber(text.substr(0, dash));
  const auto last = ParseNumber(text.substr(dash + 1, slash - dash - 1));
  const auto all = ParseNumber(text.substr(slash + 1));
  if (!first || !last || !all || *last < *first || *last >= *all) return false;
  range->offset = *first;
  range->size = *last - *first + 1;
  range->info.size = *all;
  return true;
}

std::unexpected<Error> Stripped(std::string_view what) {
  return Fail(Code::kUnavailable,
              fmt::format("the answer has no good {}: does a proxy on the way change headers, or "
                          "is this no object store?",
                          what));
}

/// Base64 of its eight bytes, the lowest first; nothing where it is anything else.
std::optional<uint64_t> Crc64Told(const HttpResponse& response, std::string_view header) {
  if (header.empty()) return std::nullopt;
  const auto raw = FromBase64(response.Header(header));
  if (!raw || raw->size() != sizeof(uint64_t)) return std::nullopt;
  return LoadFrom<uint64_t>(AsBytes(*raw).data());
}

Error Changed(std::string_view name) {
  return Error(Code::kVersionChanged,
               fmt::format("{}: the object changed while it was read", name));
}

}  // namespace

Result<AnsweredRange> ReadRangeHead(const HttpResponse& response, const StateNameOf& state_name) {
  AnsweredRange range;
  range.info.etag = BareEtag(response.Header("ETag"));
  if (range.info.etag.empty()) return Stripped("ETag");
  if (state_name) range.info.etag = state_name(response);
  range.info.modified_ns = ParseHttpDate(response.Header("Last-Modified")).value_or(0);
  const auto length = ParseNumber(response.Header("Content-Length"));
  if (response.status() == kPartial) {
    const std::string_view part = response.Header("Content-Range");
    const auto all = ParseNumber(part.substr(part.rfind('/') + 1));
    // Right behind the end Azurite gives an empty part ("bytes 10-9/10"), where others say 416.
    if (length && *length == 0 && all) {
      range.offset = range.info.size = *all;
      return range;
    }
    if (!ParseContentRange(part, &range)) {
      return Stripped("Content-Range");
    }
    if (length && *length != range.size) return Stripped("Content-Length");
    return range;
  }
  if (!length) return Stripped("Content-Length");
  range.size = range.info.size = *length;
  return range;
}

/// Asks for a range until its head makes sense: one that was damaged on its way does not.
Task<Result<FetchBody::Answer>> FetchBody::Ask(uint64_t offset, uint64_t size, std::string if_match,
                                               Call call) {
  for (uint32_t failures = 0;;) {
    FetchRequest request = make_(offset, size, if_match);
    lane_ = &fetcher_.LaneOf(request);
    object_ = request.object;
    request_ = NameOf(request.http);
    auto outcome = co_await fetcher_.Persist(env_, std::move(request), call);
    Answer answer{.status = outcome.status, .range = {}};
    if (!outcome.response && answer.status != kRangeNotSatisfiable) co_return Fail(outcome.error());
    if (!outcome.response) co_return answer;
    const auto range = ReadRangeHead(*outcome.response, fetcher_.options_.state_name);
    if (range) {
      answer.range = *range;
      answer.range.crc64 = Crc64Told(*outcome.response, fetcher_.options_.crc64_header);
      answer.response = std::move(outcome.response);
      co_return answer;
    }
    outcome.response.reset();
    const auto pause = fetcher_.PauseToRepeat(env_, *lane_, ++failures, call);
    if (!pause) co_return Fail(range.error().Within(request_));
    FB_CO_TRY(co_await env_.clock.Sleep(*pause, call.cancel));
  }
}

Task<Result<void>> FetchBody::Open(GetOptions options, Call call) {
  // Nothing of a range that ends before it begins can be asked for.
  FB_CO_ASSIGN(Answer answer, co_await Ask(options.offset, std::max<uint64_t>(options.size, 1),
                                           options.if_match, call));
  if (answer.response == nullptr) co_return co_await OpenEmpty(std::move(options), call);
  const AnsweredRange& range = answer.range;
  if (!options.if_match.empty() && range.info.etag != options.if_match)
    co_return Fail(Changed(request_));
  const uint64_t there = range.info.size - std::min(range.info.size, options.offset);
  const uint64_t wanted = std::min(options.size, there);
  // A whole object in place of its front is as good; one in place of another part is not.
  if (wanted > 0 && (range.offset != options.offset || range.size < wanted)) {
    co_return Fail(Code::kUnsupported,
                   fmt::format("asked for {} bytes from {} on, and {} from {} on came: the store, "
                               "or a proxy on the way, does not do ranges",
                               wanted, options.offset, range.size, range.offset));
  }
  info_ = range.info;
  at_ = options.offset;
  size_ = left_ = wanted;
  // More than was asked for is not read to its end.
  if (options.judged && range.size == left_) told_crc64_ = range.crc64;
  if (left_ > 0) response_ = std::move(answer.response);
  co_return Result<void>();
}

Result<void> FetchBody::Judge() const {
  if (!told_crc64_ || *told_crc64_ == crc64_) return {};
  return Fail(
      Code::kCorrupt,
      fmt::format("{}: {}: other bytes came than the store sent: their CRC64 is {:016x}, and "
                  "it says {:016x}",
                  name_, request_, crc64_, *told_crc64_));
}

Task<Result<void>> FetchBody::OpenEmpty(GetOptions options, Call call) {
  FetchRequest request = make_(0, UINT64_MAX, options.if_match);
  request.http.method = "HEAD";
  std::erase_if(request.http.headers, [](const HttpHeader& header) {
    return header.name == "Range" || header.name == "x-ms-range";
  });
  FB_CO_ASSIGN(const auto response, co_await fetcher_.Send(env_, std::move(request), call));
  FB_CO_ASSIGN(const AnsweredRange range, ReadRangeHead(*response, fetcher_.options_.state_name));
  if (!options.if_match.empty() && range.info.etag != options.if_match)
    co_return Fail(Changed(request_));
  if (range.info.size > options.offset && options.size > 0) co_return Fail(Changed(request_));
  info_ = range.info;
  co_return Result<void>();
}

Instant FetchBody::Patience(Call call) const {
  const auto late = lane_->latencies().Late();
  if (!late || lane_->slowed(object_) || !lane_->retries().CanRetry()) return call.deadline;
  const FetcherOptions& options = fetcher_.options_;
  const Duration silence =
      std::clamp(Duration(*late * kSilenceFactor), options.least_silence, options.most_silence);
  return std::min(call.deadline, env_.clock.Now() + silence);
}

Task<Result<size_t>> FetchBody::Read(MutableBytes into, Call call) {
  // Also where bytes are there already: who comes too late is told so.
  if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, "given up");
  if (env_.clock.Now() >= call.deadline) {
    co_return Fail(Code::kDeadlineExceeded, "the deadline passed");
  }
  if (left_ == 0 || into.empty()) co_return size_t{0};
  into = into.first(std::min<uint64_t>(into.size(), left_));
  for (;;) {
    Result<size_t> came = size_t{0};
    if (response_ != nullptr) {
      const Instant until = Patience(call);
      came = co_await response_->Read(into, {until, call.cancel});
      const bool silent = !came && came.error().code() == Code::kDeadlineExceeded;
      if (silent && until < call.deadline) came = size_t{0};
    }
    if (came && *came > 0) {
      at_ += *came;
      left_ -= *came;
      failures_ = 0;
      if (told_crc64_) crc64_ = Crc64(into.first(*came), crc64_);
      if (left_ > 0) co_return came;
      response_.reset();
      FB_CO_TRY(Judge());
      co_return came;
    }
    response_.reset();
    if (!came && !came.error().retryable()) co_return Fail(came.error().Within(name_));
    const auto pause = fetcher_.PauseToRepeat(env_, *lane_, ++failures_, call);
    if (!pause) {
      co_return Fail(
          Code::kUnavailable,
          came ? fmt::format("{}: {}: the body ended {} bytes early", name_, request_, left_)
               : fmt::format("{}: {}", name_, came.error().message()));
    }
    // At once where bytes had come: it is the connection that broke, not the store.
    if (failures_ > 1) FB_CO_TRY(co_await env_.clock.Sleep(*pause, call.cancel));
    const auto opened = co_await Reopen(call);
    if (!opened) co_return Fail(opened.error().Within(name_));
  }
}

Task<Result<void>> FetchBody::Reopen(Call call) {
  auto answer = co_await Ask(at_, left_, info_.etag, call);
  const bool gone = answer ? answer->response == nullptr : answer.error().code() == Code::kNotFound;
  if (gone) co_return Fail(Changed(request_));
  if (!answer) co_return Fail(answer.error());
  const AnsweredRange& range = answer->range;
  if (range.info.etag != info_.etag || range.info.size != info_.size)
    co_return Fail(Changed(request_));
  if (range.offset != at_ || range.size < left_) co_return Stripped("Content-Range");
  response_ = std::move(answer->response);
  co_return Result<void>();
}

}  // namespace forebay::http_origin
