#include "src/node/attachment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/base/units.h"

namespace forebay {
namespace {

constexpr size_t kMinNameBytes = 3;
constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxKeyBytes = 1024;
constexpr uint64_t kMinChunkBytes = kMiB;
constexpr uint64_t kMaxChunkBytes = kGiB;

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// Four numbers with dots between: what S3 refuses because it looks like an address.
bool LooksLikeAnAddress(std::string_view name) {
  return std::ranges::count(name, '.') == 3 &&
         std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

/// A key as it may stand in a message.
std::string Shown(std::string_view text) {
  constexpr size_t kMost = 80;
  std::string shown;
  for (const char c : text.substr(0, kMost)) {
    const bool plain = c >= ' ' && c != 0x7f;
    shown += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (text.size() > kMost) shown += "...";
  return shown;
}

}  // namespace

Result<Freshness> Freshness::Parse(std::string_view text) {
  if (text == "immutable") return Freshness{Mode::kImmutable, {}};
  if (text == "always") return Freshness{Mode::kAlways, {}};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size());
  int64_t seconds = 0;
  if (unit == "s") seconds = 1;
  if (unit == "m") seconds = 60;
  if (unit == "h") seconds = 3600;
  if (unit == "d") seconds = 86'400;
  constexpr int64_t kMostSeconds = 365ll * 86'400;
  if (error != std::errc() || seconds == 0 || number <= 0 || number > kMostSeconds / seconds) {
    return Fail(Code::kInvalidArgument,
                fmt::format("freshness \"{}\"; say \"immutable\", \"always\", or a time such as "
                            "\"60s\", \"5m\", \"12h\" or \"30d\", at most a year",
                            Shown(text)));
  }
  return Freshness{Mode::kTtl, std::chrono::seconds(number * seconds)};
}

std::string Freshness::ToString() const {
  if (mode == Mode::kImmutable) return "immutable";
  if (mode == Mode::kAlways) return "always";
  return fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(ttl).count());
}

Result<void> CheckAttachmentName(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument,
                fmt::format("attachment name \"{}\": {}", Shown(name), why));
  };
  if (name.size() < kMinNameBytes || name.size() > kMaxNameBytes) {
    return refuse("it must have 3 to 63 characters");
  }
  for (const char c : name) {
    if (!IsLetterOrDigit(c) && c != '-' && c != '.') {
      return refuse("only a-z, 0-9, '-' and '.' may stand in it");
    }
  }
  if (!IsLetterOrDigit(name.front()) || !IsLetterOrDigit(name.back())) {
    return refuse("it must begin and end with a letter or a digit");
  }
  if (name.find("..") != name.npos) return refuse("two dots may not follow each other");
  if (LooksLikeAnAddress(name)) return refuse("it must not look like an IP address");
  return {};
}

Result<void> CheckKey(std::string_view key) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, fmt::format("key \"{}\": {}", Shown(key), why));
  };
  if (key.empty()) return refuse("it is empty; a path is /ATTACHMENT/KEY");
  if (key.size() > kMaxKeyBytes) {
    return refuse(fmt::format("it has {} bytes; at most {}", key.size(), kMaxKeyBytes));
  }
  for (size_t at = 0; at < key.size();) {
    const size_t length = Utf8Length(key.substr(at));
    if (length == 0) return refuse(fmt::format("byte {} is not UTF-8", at));
    if (key[at] == '\0') return refuse(fmt::format("byte {} is NUL", at));
    at += length;
  }
  for (size_t at = 0; at <= key.size();) {
    const size_t slash = std::min(key.find('/', at), key.size());
    const std::string_view part = key.substr(at, slash - at);
    if (part.empty()) return refuse("a part of it between slashes is empty");
    if (part == "." || part == "..") return refuse("\".\" and \"..\" may not stand in it");
    at = slash + 1;
  }
  return {};
}

Result<void> CheckPrefix(std::string_view prefix) {
  const std::string_view last = prefix.substr(prefix.find_last_of('/') + 1);
  // The last part may be the front of ".profile".
  if (last == "." || last == "..") prefix.remove_suffix(last.size());
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.empty()) return {};
  return CheckKey(prefix);
}

Result<std::pair<std::string_view, std::string_view>> SplitPath(std::string_view path) {
  if (path.size() < 2 || path.front() != '/') {
    return Fail(Code::kInvalidArgument,
                fmt::format("path \"{}\"; it must be /ATTACHMENT or /ATTACHMENT/KEY", Shown(path)));
  }
  path.remove_prefix(1);
  const size_t slash = path.find('/');
  if (slash == path.npos) return std::pair(path, std::string_view());
  return std::pair(path.substr(0, slash), path.substr(slash + 1));
}

Result<void> AttachmentConfig::Validate() const {
  FB_TRY(CheckAttachmentName(name));
  const auto refuse = [&](std::string why) {
    return Fail(Code::kInvalidArgument, fmt::format("attachment /{}: {}", name, why));
  };
  const size_t scheme = origin.find("://");
  if (scheme == 0 || scheme == origin.npos) {
    return refuse(
        fmt::format("origin \"{}\" is no URL; say file:///DIRECTORY, s3://BUCKET/PREFIX "
                    "or azure://ACCOUNT/CONTAINER/PREFIX",
                    Shown(origin)));
  }
  if (freshness.mode == Freshness::Mode::kTtl && freshness.ttl.count() <= 0) {
    return refuse("a freshness of no time; say \"always\" to ask at every open");
  }
  const bool power_of_two = (chunk_bytes & (chunk_bytes - 1)) == 0;
  if (!power_of_two || chunk_bytes < kMinChunkBytes || chunk_bytes > kMaxChunkBytes) {
    return refuse(fmt::format("chunks of {}; they must be a power of two from {} to {}",
                              FormatSize(chunk_bytes), FormatSize(kMinChunkBytes),
                              FormatSize(kMaxChunkBytes)));
  }
  return {};
}

}  // namespace forebay
