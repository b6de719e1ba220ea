// A name in Forebay's namespace bound to an origin, with the policy that goes with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "src/base/block_key.h"
#include "src/base/result.h"
#include "src/base/utf8.h"
#include "src/node/gate.h"
#include "src/origin/origin.h"
#include "src/runtime/clock.h"

namespace forebay {

/// How old what a name resolves to may be.
struct Freshness {
  enum class Mode : unsigned char {
    kImmutable,  // a name never changes its object: asked once
    kTtl,        // for so long
    kAlways,     // asked at every open
  };
  Mode mode = Mode::kTtl;
  Duration ttl = std::chrono::seconds(60);

  /// "immutable", "always", "60s", "5m".
  static Result<Freshness> Parse(std::string_view text);
  std::string ToString() const;
};

/// What `forebay attach` sets and the registry keeps. Holds references to credentials (a file, an
/// environment variable), never credentials.
struct AttachmentConfig {
  AttachmentId id = 0;  // given by the registry, never reused: it is part of every key
  std::string name;     // by the rules of S3 buckets
  std::string origin;   // URL
  Freshness freshness;
  LocalAllow allow;
  uint64_t chunk_bytes = 32ull << 20;  // fixed for the attachment's life
  bool read_only = false;

  /// kInvalidArgument names the field, what is wrong with it and what would do.
  Result<void> Validate() const;
  /// TOML, for the registry.
  std::string Serialize() const;
  static Result<AttachmentConfig> Deserialize(std::string_view text);
};

/// 3 to 63 of a-z, 0-9, '-' and '.', as S3 has it.
Result<void> CheckAttachmentName(std::string_view name);
/// UTF-8 without NUL, at most 1024 bytes, no empty, "." or ".." part, no leading slash.
Result<void> CheckKey(std::string_view key);
/// Of the front of a key: it may end with a slash, or anywhere.
Result<void> CheckPrefix(std::string_view prefix);
/// "/imagenet/train/0.tar" → ("imagenet", "train/0.tar"); the key may be empty.
Result<std::pair<std::string_view, std::string_view>> SplitPath(std::string_view path);

struct Attachment {
  AttachmentConfig config;
  std::unique_ptr<Origin> origin;
  /// Its name is somebody else's now, or nobody's: handles of it are at their end.
  mutable std::atomic<bool> detached{false};
  GuardedAttachment guarded() const { return {config.name, config.allow}; }
};

}  // namespace forebay
