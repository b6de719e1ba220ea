#include "src/wire/handshake.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "src/base/assert.h"

namespace forebay::wire {
namespace {

std::string TranscriptOf(std::string_view label, Bytes hello, Bytes welcome) {
  std::string transcript(label);
  for (const Bytes meta : {hello, welcome}) {
    char size[sizeof(uint32_t)];
    StoreTo(size, static_cast<uint32_t>(meta.size()));
    transcript.append(size, sizeof size).append(AsText(meta));
  }
  return transcript;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Token> Token::Parse(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) {
    line.remove_suffix(1);
  }
  const size_t space = line.find(' ');
  const std::string_view hex = space == line.npos ? "" : line.substr(space + 1);
  if (space == 0 || space == line.npos || space > kMaxNameBytes || hex.empty() ||
      hex.size() % 2 != 0) {
    return Fail(Code::kInvalidArgument, "token: expected a line \"NAME SECRET-IN-HEX\"");
  }
  Token token{.name = std::string(line.substr(0, space)), .secret = {}};
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexDigit(hex[i]);
    const int low = HexDigit(hex[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(Code::kInvalidArgument, "token " + token.name + ": its secret is not hex");
    }
    token.secret.push_back(static_cast<char>(high * 16 + low));
  }
  return token;
}

std::string ClientTranscript(Bytes hello_meta, Bytes welcome_meta) {
  return TranscriptOf("forebay-1-client", hello_meta, welcome_meta);
}

std::string ServerTranscript(Bytes hello_meta, Bytes welcome_meta) {
  return TranscriptOf("forebay-1-server", hello_meta, welcome_meta);
}

Proof Prove(std::string_view secret, std::string_view transcript) {
  Proof proof;
  unsigned int size = 0;
  const auto* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                          reinterpret_cast<const unsigned char*>(transcript.data()),
                          transcript.size(), reinterpret_cast<unsigned char*>(proof.data()), &size);
  FB_ASSERT(made != nullptr && size == proof.size());
  return proof;
}

bool SameProof(const Proof& a, const Proof& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<uint16_t> Negotiate(const Hello& hello, Versions ours) {
  const uint16_t highest = std::min(hello.max_version, ours.max);
  if (hello.min_version <= hello.max_version && highest >= hello.min_version &&
      highest >= ours.min) {
    return highest;
  }
  return Fail(Code::kUnsupported,
              fmt::format("the client speaks protocol versions {} to {}, this node {} to {}: use "
                          "releases that have one in common",
                          hello.min_version, hello.max_version, ours.min, ours.max));
}

}  // namespace forebay::wire
