#include "src/front/s3/auth.h"

#include <fmt/format.h>

#include "src/front/s3/claim.h"

namespace forebay::s3door {
namespace {

/// What the payload of a request is called whose chunks have signatures of their own.
constexpr std::string_view kSignedChunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// In constant time.
bool Same(std::string_view a, std::string_view b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    differs |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return differs == 0;
}

S3Error NoMatch(const Claim& claim, const std::string& canonical) {
  S3Error error(kinds::kSignatureDoesNotMatch);
  // What a client needs to find out where it went another way; nothing of the secret.
  error.With("AWSAccessKeyId", claim.key_id)
      .With("StringToSign", s3::TextToSign(canonical, claim.moment, claim.scope()))
      .With("SignatureProvided", claim.signature)
      .With("CanonicalRequest", canonical);
  return error;
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
      return Same(s3::Sign(key, s3::TextToSign(text, claim.moment, signed_for)), claim.signature);
    };
    const bool same = matches(Spelling::kOfS3) || matches(Spelling::kAsSent);
    if (same && known == nullptr) x.door.signing_keys.Learn(scope, generation, key);
    return same;
  });
  if (!who && who.error().code() == Code::kNotFound) {
    S3Error error(kinds::kInvalidAccessKeyId);
    return std::unexpected(std::move(error.With("AWSAccessKeyId", claim.key_id)));
  }
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

}  // namespace

Outcome<void> Authenticate(Exchange& x) {
  FB_ASSIGN(const auto claim, ReadClaim(x.request));
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
