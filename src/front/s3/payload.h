// The body of a request, piece by piece, with everything checked that the client said of it:
// signatures of its chunks, its length, hashes and checksums. What it gives is to be believed only
// once it has ended without an error.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/front/s3/aws_chunks.h"
#include "src/front/s3/checksums.h"
#include "src/front/s3/request.h"
#include "src/origin/s3/signing.h"
#include "src/runtime/cancel.h"
#include "src/runtime/task.h"

namespace forebay::http {
class HttpConnection;
}

namespace forebay::s3door {

/// With what chunks are signed, each over the one before it.
struct ChunkSigning {
  s3::SigningKey key;
  std::string moment;
  std::string scope;
  std::string signature;  // of the request, then of the last chunk
};

/// What the headers say of the body.
struct PayloadPlan {
  bool framed = false;  // aws-chunked
  bool signed_chunks = false;
  AwsChunks::Trailers trailers = AwsChunks::Trailers::kNone;
  std::optional<uint64_t> size;    // without frames
  std::string sha256;              // in hex; "": not told
  std::optional<std::string> md5;  // the bytes
  std::optional<Algorithm> checksum;
  std::string checksum_value;  // base64; "": a trailer tells it
};

/// `payload` is that of the claim, or "" of an anonymous request.
Outcome<PayloadPlan> PlanPayload(const Request& request, std::string_view payload);

class Payload {
 public:
  /// `signing` where chunks are signed. The connection must outlive it.
  Payload(http::HttpConnection& connection, PayloadPlan plan, std::optional<ChunkSigning> signing);
  ~Payload();

  /// Before the first Next: the MD5 of all is wanted, whatever the client said.
  void WantMd5();
  /// After the end, in hex; "" where nobody wanted it.
  const std::string& md5() const { return md5_value_; }

  /// Without frames; nullopt where the client did not say.
  std::optional<uint64_t> size() const { return plan_.size; }
  /// The next bytes, good until the next call; none at the end, when all has been checked.
  Task<Outcome<Bytes>> Next(CancelToken cancel);
  /// Reads all of it.
  Task<Outcome<std::string>> ReadAll(size_t most, CancelToken cancel);

  /// After the end. What the client named, with what was computed, in base64.
  std::optional<Algorithm> checksum() const { return plan_.checksum; }
  const std::string& checksum_value() const { return checksum_value_; }

 private:
  Task<Outcome<Bytes>> Fill(CancelToken cancel);
  Outcome<Bytes> Unframe();
  Outcome<void> OnEvent(const AwsChunks::Event& event);
  Outcome<void> CheckChunk();
  Outcome<void> CheckTrailer();
  Outcome<void> Count(Bytes data);
  Outcome<void> Finish();
  Outcome<void> CheckSums();

  http::HttpConnection& connection_;
  PayloadPlan plan_;
  std::optional<ChunkSigning> signing_;
  AwsChunks chunks_;
  std::vector<std::byte> buffer_;
  Bytes unread_;  // of buffer_
  bool framed_end_ = false;
  bool ended_ = false;
  uint64_t count_ = 0;
  std::optional<Checksum> sha256_, md5_, checksum_, chunk_hash_;
  std::string chunk_signature_;
  std::string trailer_lines_, trailer_signature_;
  std::string checksum_value_;
  std::string md5_value_;
};

}  // namespace forebay::s3door
