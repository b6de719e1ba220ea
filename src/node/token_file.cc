#include "src/node/token_file.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace forebay {
namespace {

constexpr std::string_view kLineForm = "NAME SECRET-IN-HEX /ATTACHMENT:RIGHTS[,...]";

/// The next word of `line`, which loses it; empty at the end.
std::string_view TakeWord(std::string_view& line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool IsTokenName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTokenNameBytes &&
         std::ranges::all_of(name, IsNameCharacter);
}

bool IsAttachmentName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, allowed);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Secret> DecodeSecret(std::string_view hex) {
  if (hex.size() % 2 != 0 || hex.size() < 2 * kMinSecretBytes || hex.size() > 2 * kMaxSecretBytes) {
    return std::nullopt;
  }
  std::string bytes(hex.size() / 2, '\0');
  bool right = true;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int high = HexDigit(hex[2 * i]), low = HexDigit(hex[2 * i + 1]);
    right = right && high >= 0 && low >= 0;
    bytes[i] = static_cast<char>(high * 16 + low);
  }
  Secret secret(std::move(bytes));
  if (!right) return std::nullopt;
  return secret;
}

/// nullopt: a letter that is no right, or the same twice, or none.
std::optional<Rights> DecodeRights(std::string_view letters) {
  Rights rights = 0;
  for (const char letter : letters) {
    const Rights right = letter == 'r'   ? kRead
                         : letter == 'w' ? kWrite
                         : letter == 'l' ? kList
                         : letter == 'a' ? kAdmin
                                         : 0;
    if (right == 0 || (rights & right) != 0) return std::nullopt;
    rights = static_cast<Rights>(rights | right);
  }
  if (rights == 0) return std::nullopt;
  return rights;
}

/// What is wrong with one grant; nothing where it was added.
std::optional<std::string> AddGrant(std::string_view text, Grants& to) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return "a grant without ':'; write /ATTACHMENT:RIGHTS, as in /imagenet:rl";
  }
  const auto rights = DecodeRights(text.substr(colon + 1));
  if (!rights) {
    return "rights are some of the letters r (read), w (write), l (list), a (admin), each once";
  }
  std::string_view name = text.substr(0, colon);
  if (name == "*" || name == "/*") {
    if (to.everywhere != 0) return "the attachment * stands there twice; join its rights";
    to.everywhere = *rights;
    return std::nullopt;
  }
  if (!name.starts_with('/') || !IsAttachmentName(name.substr(1))) {
    return "an attachment is / and 3 to 63 of a-z, 0-9, '.' and '-', or * for all";
  }
  to.grants.push_back({std::string(name.substr(1)), *rights});
  return std::nullopt;
}

std::optional<std::string> DecodeGrants(std::string_view text, Grants& to) {
  for (;;) {
    const size_t comma = text.find(',');
    if (to.grants.size() >= kMaxGrantsOfToken) {
      return fmt::format("more than {} attachments for one token; use *", kMaxGrantsOfToken);
    }
    if (auto wrong = AddGrant(text.substr(0, comma), to)) return wrong;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::ranges::sort(to.grants, {}, &Grants::Grant::attachment);
  const auto twice = std::ranges::adjacent_find(to.grants, {}, &Grants::Grant::attachment);
  if (twice != to.grants.end()) return "an attachment stands there twice; join its rights";
  return std::nullopt;
}

std::optional<std::string> DecodeLine(std::string_view line, TokenLine& to) {
  const std::string_view name = TakeWord(line), secret = TakeWord(line), grants = TakeWord(line);
  if (grants.empty()) return fmt::format("fewer than three words; write {}", kLineForm);
  if (!TakeWord(line).empty()) {
    return fmt::format("more than three words; write {} without spaces around commas", kLineForm);
  }
  if (!IsTokenName(name)) {
    return fmt::format(
        "the first word, the token's name, is 1 to {} of A-Z, a-z, 0-9, '.', '_' "
        "and '-'",
        kMaxTokenNameBytes);
  }
  auto decoded = DecodeSecret(secret);
  if (!decoded) {
    return fmt::format(
        "the second word, the secret, is {} to {} bytes in hex (make one with: openssl rand -hex "
        "32)",
        kMinSecretBytes, kMaxSecretBytes);
  }
  to.name = name;
  to.secret = std::move(*decoded);
  return DecodeGrants(grants, to.grants);
}

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  Wipe();
  bytes_ = std::move(other.bytes_);
  other.Wipe();
  return *this;
}

void Secret::Wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
  bytes_.clear();
}

Rights Grants::Of(std::string_view attachment) const {
  const auto found = std::ranges::lower_bound(grants, attachment, {}, &Grant::attachment);
  const bool here = found != grants.end() && found->attachment == attachment;
  return static_cast<Rights>(everywhere | (here ? found->rights : 0));
}

Result<std::vector<TokenLine>> ParseTokenFile(std::string_view text) {
  if (text.size() > kMaxTokenFileBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the token file has {} bytes; at most {} are read", text.size(),
                            kMaxTokenFileBytes));
  }
  std::vector<TokenLine> tokens;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view rest = line;
    const std::string_view first = TakeWord(rest);
    if (first.empty() || first.starts_with('#')) continue;
    std::optional<std::string> wrong;
    if (tokens.size() >= kMaxTokens) {
      wrong = fmt::format("more than {} tokens", kMaxTokens);
    } else {
      wrong = DecodeLine(line, tokens.emplace_back());
    }
    if (wrong) {
      return Fail(Code::kInvalidArgument, fmt::format("token file, line {}: {}", number, *wrong));
    }
  }
  std::ranges::sort(tokens, {}, &TokenLine::name);
  const auto twice = std::ranges::adjacent_find(tokens, {}, &TokenLine::name);
  if (twice != tokens.end()) {
    return Fail(Code::kInvalidArgument,
                "token file: two lines have the same token name; give each a name of its own");
  }
  return tokens;
}

}  // namespace forebay
