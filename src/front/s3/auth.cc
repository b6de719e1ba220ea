#include "src/front/s3/auth.h"

#include <fmt/format.h>

#include "src/front/s3/claim.h"
#include "src/front/s3/claim_v2.h"
#include "src/front/s3/text.h"

namespace forebay::s3door {
namespace {

/// What the payload of a request is called whose chunks have signatures of their own.
constexpr std::string_view kSignedChunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

S3Error NoMatch(const Claim& claim, const std::string& canonical) {
  S3Error error(kinds::kSignatureDoesNotMatch);
  // What a client needs to find out where it went another way; nothing of the secret.
  error.With("AWSAccessKeyId", claim.key_id)
      .With("StringToSign", s3::TextToSign(canonical, claim.moment, claim.scope()))
      .With("SignatureProvided", claim.signature)
      .With("CanonicalRequest", canonical);
  return error;
}

std::unexpected<S3Error> NoSuchKey(const std::string& key_id) {
  S3Error error(kinds::kInvalidAccessKeyId);
  return std::unexpected(std::move(error.With("AWSAccessKeyId", key_id)));
}

Outcome<void> AdmitSigned(Exchange& x, const Claim& claim) {
  FB_TRY(CheckClaim(claim, x.door.options.region, x.env().clock.WallNanos()));
  FB_TRY(CheckCoverage(claim, x.request));
  const std::string signed_for = claim.scope();
  s3::SigningKey key;
  const SigningKeys::Scope scope{claim.key_id, claim.day, claim.region};
  // Read before the secret is: what is derived from an older one must not pass for newer.
  const uint64_t generation = x.node().gate().key_generation();
  auto who = x.node().gate().AdmitKey(claim.key_id, [&](std::string_view secret) {
    const s3::SigningKey* const known = x.door.signing_keys.Find(scope, generation);
    key = known != nullptr ? *known : s3::SigningKeyOf(secret, claim.day, claim.region);
    const auto matches = [&](Spelling spelling) {
      const std::string text = CanonicalRequest(claim, x.request, spelling);
      return SameSecret(s3::Sign(key, s3::TextToSign(text, claim.moment, signed_for)),
                        claim.signature);
    };
    const bool same = matches(Spelling::kOfS3) || matches(Spelling::kAsSent);
    if (same && known == nullptr) x.door.signing_keys.Learn(scope, generation, key);
    return same;
  });
  if (!who && who.error().code() == Code::kNotFound) return NoSuchKey(claim.key_id);
  if (!who) {
    return std::unexpected(NoMatch(claim, CanonicalRequest(claim, x.request, Spelling::kOfS3)));
  }
  x.who = std::move(*who);
  x.payload = claim.payload;
  if (claim.payload.starts_with(kSignedChunks)) {
    x.signing = ChunkSigning{
        .key = key, .moment = claim.moment, .scope = signed_for, .signature = claim.signature};
  }
  return {};
}

Outcome<void> AdmitSignedV2(Exchange& x, const ClaimV2& claim) {
  FB_TRY(CheckClaimV2(claim, x.env().clock.WallNanos()));
  FB_TRY(CheckCoverageV2(x.request));
  x.payload = x.request.Header(s3::kPayloadHashHeader);
  if (x.payload.empty()) x.payload = kUnsignedPayload;
  if (x.payload.starts_with(kSignedChunks)) {
    return Refuse(kinds::kInvalidRequest,
                  "Chunks have signatures of version 4 only. Please use AWS4-HMAC-SHA256.");
  }
  const std::string text = TextToSignV2(claim, x.request, Spelling::kOfS3);
  const std::string as_sent = TextToSignV2(claim, x.request, Spelling::kAsSent);
  auto who = x.node().gate().AdmitKey(claim.key_id, [&](std::string_view secret) {
    return SameSecret(SignV2(secret, text), claim.signature) ||
           SameSecret(SignV2(secret, as_sent), claim.signature);
  });
  if (!who && who.error().code() == Code::kNotFound) return NoSuchKey(claim.key_id);
  if (!who) {
    S3Error error(kinds::kSignatureDoesNotMatch);
    error.With("AWSAccessKeyId", claim.key_id)
        .With("StringToSign", text)
        .With("SignatureProvided", claim.signature);
    return std::unexpected(std::move(error));
  }
  x.who = std::move(*who);
  return {};
}

}  // namespace

Outcome<void> Authenticate(Exchange& x) {
  FB_ASSIGN(const auto claim_v2, ReadClaimV2(x.request));
  if (claim_v2 && x.node().gate().has_keys()) return AdmitSignedV2(x, *claim_v2);
  FB_ASSIGN(const auto claim,
            claim_v2 ? Outcome<std::optional<Claim>>(std::nullopt) : ReadClaim(x.request));
  if (claim && x.node().gate().has_keys()) return AdmitSigned(x, *claim);
  // Where there are no keys, nobody can be told from anybody: what is signed, with whatever key,
  // counts as what is not.
  auto who = x.node().gate().AdmitUnsigned();
  if (!who) return Refuse(kinds::kAccessDenied);
  x.who = std::move(*who);
  x.anonymous = x.node().gate().has_keys();
  return {};
}

}  // namespace forebay::s3door
