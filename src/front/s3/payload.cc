#include "src/front/s3/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/base/units.h"
#include "src/front/http/connection.h"
#include "src/front/s3/claim.h"
#include "src/front/s3/text.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr size_t kBufferBytes = 512 * kKiB;
constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Streaming {
  std::string_view name;
  bool signed_chunks;
  AwsChunks::Trailers trailers;
};
constexpr Streaming kStreaming[] = {
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, AwsChunks::Trailers::kNone},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, AwsChunks::Trailers::kSigned},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, AwsChunks::Trailers::kPlain}};

bool IsHash(std::string_view text) {
  return text.size() == kEmptyHash.size() &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

Outcome<std::optional<uint64_t>> SizeOf(const Request& request, bool framed) {
  if (!framed) return request.head->content_length;
  const std::string_view text = request.Header("x-amz-decoded-content-length");
  if (text.empty()) return Refuse(kinds::kMissingContentLength);
  uint64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Refuse(kinds::kInvalidArgument, "x-amz-decoded-content-length is no number of bytes");
  }
  return size;
}

Outcome<void> PlanChecksum(const Request& request, PayloadPlan& plan) {
  for (const http::Header* const header : request.AllHeaders()) {
    const auto algorithm = AlgorithmOfHeader(header->name);
    if (!algorithm) continue;
    if (plan.checksum) {
      return Refuse(kinds::kInvalidRequest,
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                    "allowed.");
    }
    const auto bytes = http_origin::FromBase64(header->value);
    if (!bytes || bytes->size() != BytesOf(*algorithm)) {
      return Refuse(kinds::kInvalidRequest,
                    fmt::format("Value for {} header is invalid.", HeaderOf(*algorithm)));
    }
    plan.checksum = algorithm;
    plan.checksum_value = header->value;
  }
  const std::string_view trailer = request.Header("x-amz-trailer");
  if (!trailer.empty()) {
    const auto algorithm = AlgorithmOfHeader(trailer);
    if (!algorithm || plan.trailers == AwsChunks::Trailers::kNone) {
      return Refuse(kinds::kInvalidRequest,
                    "The value specified in the x-amz-trailer header is not supported");
    }
    if (plan.checksum) {
      return Refuse(kinds::kInvalidRequest, "Expecting a single x-amz-checksum- header or trailer");
    }
    plan.checksum = algorithm;
  }
  const std::string_view named = request.Header("x-amz-sdk-checksum-algorithm");
  if (!named.empty()) {
    const auto algorithm = AlgorithmNamed(named);
    if (!algorithm) {
      return Refuse(kinds::kInvalidRequest,
                    "Checksum algorithm provided is unsupported. Please try again with any of the "
                    "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    if (plan.checksum && plan.checksum != algorithm) {
      return Refuse(kinds::kInvalidRequest,
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    }
  }
  return {};
}

}  // namespace

Outcome<PayloadPlan> PlanPayload(const Request& request, std::string_view payload) {
  PayloadPlan plan;
  if (payload.empty()) payload = request.Header(s3::kPayloadHashHeader);
  const auto streaming = std::ranges::find(kStreaming, payload, &Streaming::name);
  if (streaming != std::end(kStreaming)) {
    plan.framed = true;
    plan.signed_chunks = streaming->signed_chunks;
    plan.trailers = streaming->trailers;
  } else if (payload.starts_with("STREAMING-AWS4-ECDSA")) {
    return Refuse(kinds::kNotImplemented, "signatures of version 4A are not implemented");
  } else if (IsHash(payload)) {
    plan.sha256 = payload;
  } else if (!payload.empty() && payload != kUnsignedPayload) {
    return Refuse(kinds::kInvalidArgument,
                  "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                  "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
  }
  FB_ASSIGN(plan.size, SizeOf(request, plan.framed));
  if (const std::string* md5 = request.head->Find("Content-MD5")) {
    auto bytes = http_origin::FromBase64(*md5);
    if (!bytes || bytes->size() != BytesOf(Algorithm::kMd5)) return Refuse(kinds::kInvalidDigest);
    plan.md5 = std::move(*bytes);
  }
  FB_TRY(PlanChecksum(request, plan));
  return plan;
}

Payload::Payload(http::HttpConnection& connection, PayloadPlan plan,
                 std::optional<ChunkSigning> signing)
    : connection_(connection),
      plan_(std::move(plan)),
      signing_(std::move(signing)),
      chunks_(plan_.trailers) {
  // Where nobody has keys, clients that sign are welcome, and nobody can check what they signed.
  if (!signing_) plan_.signed_chunks = false;
  if (!plan_.sha256.empty()) sha256_.emplace(Algorithm::kSha256);
  if (plan_.md5) md5_.emplace(Algorithm::kMd5);
  if (plan_.checksum) checksum_.emplace(*plan_.checksum);
  if (plan_.signed_chunks) chunk_hash_.emplace(Algorithm::kSha256);
}
Payload::~Payload() = default;

void Payload::WantMd5() {
  if (!md5_) md5_.emplace(Algorithm::kMd5);
}

/// More of what the connection brings; none at its end.
Task<Outcome<Bytes>> Payload::Fill(CancelToken cancel) {
  if (buffer_.empty()) {
    const uint64_t expected = plan_.size.value_or(kBufferBytes) + 4 * kKiB;
    buffer_.resize(std::min<uint64_t>(kBufferBytes, expected));
  }
  const auto size = co_await connection_.ReadBody(buffer_, cancel);
  if (!size) {
    connection_.BreakOff();
    if (size.error().code() == Code::kDeadlineExceeded) {
      co_return Refuse({"RequestTimeout", 400,
                        "Your socket connection to the server was not read from or written to "
                        "within the timeout period."});
    }
    co_return Refuse(kinds::kIncompleteBody, size.error().message());
  }
  co_return Bytes(buffer_).first(*size);
}

Outcome<void> Payload::CheckChunk() {
  if (!plan_.signed_chunks) return {};
  const std::string text = fmt::format(
      "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", signing_->moment, signing_->scope,
      signing_->signature, kEmptyHash, http_origin::Hex(AsBytes(chunk_hash_->Finish())));
  const std::string expected = s3::Sign(signing_->key, text);
  if (!SameSecret(expected, chunk_signature_)) return Refuse(kinds::kSignatureDoesNotMatch);
  signing_->signature = expected;
  return {};
}

Outcome<void> Payload::CheckTrailer() {
  if (plan_.trailers == AwsChunks::Trailers::kSigned && signing_) {
    const std::string text = fmt::format(
        "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", signing_->moment, signing_->scope,
        signing_->signature, http_origin::Hex(http_origin::HashSha256(AsBytes(trailer_lines_))));
    if (!SameSecret(s3::Sign(signing_->key, text), trailer_signature_)) {
      return Refuse(kinds::kSignatureDoesNotMatch);
    }
  }
  return {};
}

Outcome<void> Payload::OnEvent(const AwsChunks::Event& event) {
  using Kind = AwsChunks::Event::Kind;
  switch (event.kind) {
    case Kind::kChunk:
      chunk_signature_ = event.signature;
      return event.size == 0 ? CheckChunk() : Outcome<void>();
    case Kind::kChunkEnd:
      return CheckChunk();
    case Kind::kTrailer:
      if (event.name == kTrailerSignature) {
        trailer_signature_ = event.value;
        return {};
      }
      trailer_lines_ += fmt::format("{}:{}\n", event.name, event.value);
      if (plan_.checksum && AlgorithmOfHeader(event.name) == plan_.checksum) {
        const auto bytes = http_origin::FromBase64(event.value);
        if (!bytes || bytes->size() != BytesOf(*plan_.checksum)) {
          return Refuse(kinds::kInvalidRequest,
                        fmt::format("Value for {} trailing header is invalid.", event.name));
        }
        plan_.checksum_value = event.value;
      }
      return {};
    case Kind::kEnd:
      framed_end_ = true;
      return CheckTrailer();
    default:
      return {};
  }
}

/// The next data among what is unread; none where more must come.
Outcome<Bytes> Payload::Unframe() {
  while (!framed_end_) {
    FB_ASSIGN(const AwsChunks::Event event, chunks_.Next(unread_));
    if (event.kind == AwsChunks::Event::Kind::kNeedMore && unread_.empty()) return Bytes();
    FB_TRY(OnEvent(event));
    if (event.kind == AwsChunks::Event::Kind::kData) return event.data;
  }
  if (!unread_.empty()) {
    return Refuse(kinds::kIncompleteBody, "there is more than the framing of the body said");
  }
  return Bytes();
}

Outcome<void> Payload::Count(Bytes data) {
  count_ += data.size();
  if (plan_.size && count_ > *plan_.size) {
    return Refuse(kinds::kIncompleteBody, "the body is longer than it was said to be");
  }
  for (std::optional<Checksum>* sum : {&sha256_, &md5_, &checksum_, &chunk_hash_}) {
    if (*sum) (*sum)->Add(data);
  }
  return {};
}

Outcome<void> Payload::CheckSums() {
  if (md5_) {
    const std::string md5 = md5_->Finish();
    if (plan_.md5 && md5 != *plan_.md5) return Refuse(kinds::kBadDigest);
    md5_value_ = http_origin::Hex(AsBytes(md5));
  }
  if (sha256_ && http_origin::Hex(AsBytes(sha256_->Finish())) != plan_.sha256) {
    return Refuse(kinds::kContentSha256Mismatch);
  }
  if (!checksum_) return {};
  checksum_value_ = http_origin::Base64(AsBytes(checksum_->Finish()));
  if (plan_.checksum_value.empty()) return Refuse(kinds::kMalformedTrailer);
  if (plan_.checksum_value == checksum_value_) return {};
  return Refuse(kinds::kBadDigest,
                fmt::format("The {} you specified did not match the calculated checksum.",
                            NameOf(checksum_->algorithm())));
}

Outcome<void> Payload::Finish() {
  ended_ = true;
  if ((plan_.framed && !framed_end_) || (plan_.size && count_ != *plan_.size)) {
    return Refuse(kinds::kIncompleteBody);
  }
  return CheckSums();
}

Task<Outcome<Bytes>> Payload::Next(CancelToken cancel) {
  while (!ended_) {
    Bytes data;
    if (unread_.empty()) {
      FB_CO_ASSIGN(unread_, co_await Fill(cancel));
      if (unread_.empty()) {
        FB_CO_TRY(Finish());
        break;
      }
    }
    if (plan_.framed) {
      FB_CO_ASSIGN(data, Unframe());
    } else {
      data = std::exchange(unread_, {});
    }
    if (data.empty()) continue;
    FB_CO_TRY(Count(data));
    co_return data;
  }
  co_return Bytes();
}

Task<Outcome<std::string>> Payload::ReadAll(size_t most, CancelToken cancel) {
  std::string all;
  for (;;) {
    FB_CO_ASSIGN(const Bytes piece, co_await Next(cancel));
    if (piece.empty()) co_return all;
    if (all.size() + piece.size() > most) co_return Refuse(kinds::kMaxMessageLengthExceeded);
    all += AsText(piece);
  }
}

}  // namespace forebay::s3door
