// What both sides of a handshake compute.
#pragma once

#include <string>

#include "src/base/result.h"
#include "src/wire/messages.h"

namespace forebay::wire {

/// As what the nodes of a cell come to one another, with the cell's secret; no token is named so.
inline constexpr std::string_view kPeerToken = "@cell";

/// The line "NAME SECRET-IN-HEX" of a client's token file.
struct Token {
  std::string name;
  std::string secret;  // bytes
  static Result<Token> Parse(std::string_view line);
};

/// What a proof is made over: a label that differs by side, then both hellos' metas, each behind
/// its length (u32).
std::string ClientTranscript(Bytes hello_meta, Bytes welcome_meta);
std::string ServerTranscript(Bytes hello_meta, Bytes welcome_meta);

/// HMAC-SHA256.
Proof Prove(std::string_view secret, std::string_view transcript);
/// In constant time.
bool SameProof(const Proof& a, const Proof& b);

/// What one side speaks. Others than what this code knows are for tests of what comes after it.
struct Versions {
  uint16_t min = kMinVersion;
  uint16_t max = kMaxVersion;
};

/// The highest version of both; kUnsupported names both ranges.
Result<uint16_t> Negotiate(const Hello& hello, Versions ours = {});

}  // namespace forebay::wire
