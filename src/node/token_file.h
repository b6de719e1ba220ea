// The file that says who may come in by TCP, as text: one token a line. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/node/gate.h"

namespace forebay {

inline constexpr size_t kMaxTokenFileBytes = 4u << 20;
inline constexpr size_t kMaxTokens = 10'000;
inline constexpr size_t kMaxTokenNameBytes = 64;
inline constexpr size_t kMinSecretBytes = 16;
inline constexpr size_t kMaxSecretBytes = 128;
inline constexpr size_t kMaxGrantsOfToken = 1024;

/// Key material; overwritten before its memory is given back.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.Wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { Wipe(); }
  std::string_view bytes() const { return bytes_; }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  void Wipe();
  std::string bytes_;
};

/// What one token may do with which attachment.
struct Grants {
  struct Grant {
    std::string attachment;
    Rights rights = 0;
  };
  Rights everywhere = 0;      // of the attachment "*"
  std::vector<Grant> grants;  // sorted by attachment
  Rights Of(std::string_view attachment) const;
};

struct TokenLine {
  std::string name;
  Secret secret;
  Grants grants;
};

/// Blank lines and those that begin with '#' say nothing. Sorted by name. An error tells the line
/// and what would be right, and nothing of what stands there: words in a wrong order would put a
/// secret into a log.
Result<std::vector<TokenLine>> ParseTokenFile(std::string_view text);

}  // namespace forebay
