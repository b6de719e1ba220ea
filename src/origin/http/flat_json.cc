#include "src/origin/http/flat_json.h"

#include <fmt/format.h>

#include <cstdint>

namespace forebay::http_origin {
namespace {

constexpr int kMaxDepth = 16;

void AppendUtf8(uint32_t point, std::string* text) {
  const auto add = [&](uint32_t byte) { *text += static_cast<char>(byte); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xc0 | point >> 6);
  } else if (point < 0x10000) {
    add(0xe0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3f));
  } else {
    add(0xf0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3f));
    add(0x80 | (point >> 6 & 0x3f));
  }
  add(0x80 | (point & 0x3f));
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<FlatJson> Read() {
    FlatJson json;
    const bool good = Object(0, &json.members) && (SkipSpace(), at_ == text_.size());
    if (!good) return Fail(Code::kCorrupt, fmt::format("no JSON object: wrong at byte {}", at_));
    return json;
  }

 private:
  using Members = std::map<std::string, std::string, std::less<>>;

  void SkipSpace() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// `into` may be null.
  bool Object(int depth, Members* into) {
    if (depth > kMaxDepth || !Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string name, value;
      SkipSpace();
      if (!Text(&name) || !Take(':')) return false;
      SkipSpace();
      const bool nested = at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[');
      if (!Value(depth + 1, &value)) return false;
      if (into != nullptr && !nested) into->insert_or_assign(std::move(name), std::move(value));
    } while (Take(','));
    return Take('}');
  }
  bool Array(int depth) {
    if (depth > kMaxDepth || !Take('[')) return false;
    if (Take(']')) return true;
    do {
      std::string value;
      SkipSpace();
      if (!Value(depth + 1, &value)) return false;
    } while (Take(','));
    return Take(']');
  }
  bool Value(int depth, std::string* value) {
    if (at_ == text_.size()) return false;
    if (text_[at_] == '{') return Object(depth, nullptr);
    if (text_[at_] == '[') return Array(depth);
    if (text_[at_] == '"') return Text(value);
    const size_t begin = at_;
    while (at_ < text_.size() && IsOfWord(text_[at_])) ++at_;
    *value = text_.substr(begin, at_ - begin);
    return at_ > begin;
  }
  static bool IsOfWord(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
           c == 'E';
  }

  bool Text(std::string* text) {
    if (at_ == text_.size() || text_[at_] != '"') return false;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') return ++at_, true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        *text += c;
      } else if (!Escape(text)) {
        return false;
      }
    }
    return false;
  }
  /// Behind a '\\'; leaves at_ on the last character of it.
  bool Escape(std::string* text) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (++at_ == text_.size()) return false;
    if (text_[at_] != 'u') {
      const size_t which = kNames.find(text_[at_]);
      if (which == kNames.npos) return false;
      *text += kMeanings[which];
      return true;
    }
    uint32_t point = 0;
    if (!FourDigits(&point)) return false;
    if (point >= 0xd800 && point < 0xdc00) {  // the first half of a pair
      uint32_t low = 0;
      if (text_.substr(at_ + 1, 2) != "\\u") return false;
      at_ += 2;
      if (!FourDigits(&low) || low < 0xdc00 || low > 0xdfff) return false;
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    } else if (point >= 0xdc00 && point < 0xe000) {
      return false;
    }
    AppendUtf8(point, text);
    return true;
  }
  /// Behind at_; leaves at_ on the last of them.
  bool FourDigits(uint32_t* point) {
    for (int i = 0; i < 4; ++i) {
      if (++at_ >= text_.size()) return false;
      const char c = text_[at_];
      const bool digit = c >= '0' && c <= '9';
      const bool small = c >= 'a' && c <= 'f', large = c >= 'A' && c <= 'F';
      if (!digit && !small && !large) return false;
      *point = *point * 16 + static_cast<uint32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<FlatJson> ParseFlatJson(std::string_view text) {
  return Reader(text).Read();
}

}  // namespace forebay::http_origin
