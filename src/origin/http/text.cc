#include "src/origin/http/text.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "src/base/assert.h"

namespace forebay::http_origin {
namespace {

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view kWeekdays = "SunMonTueWedThuFriSat";
constexpr int64_t kNanosASecond = 1'000'000'000;

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view NameAt(std::string_view names, size_t number) {
  return names.substr(number * 3, 3);
}

struct Civil {
  int year = 0;
  unsigned month = 0;  // 1..12
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned weekday = 0;  // 0 is Sunday
};

Civil CivilOf(int64_t wall_ns) {
  using std::chrono::days, std::chrono::sys_days;
  const int64_t ns_a_day = 86'400 * kNanosASecond;
  const int64_t day = wall_ns / ns_a_day - (wall_ns % ns_a_day < 0 ? 1 : 0);
  const auto second = static_cast<unsigned>((wall_ns - day * ns_a_day) / kNanosASecond);
  const sys_days date{days(day)};
  const std::chrono::year_month_day ymd(date);
  return {.year = static_cast<int>(ymd.year()),
          .month = static_cast<unsigned>(ymd.month()),
          .day = static_cast<unsigned>(ymd.day()),
          .hour = second / 3600,
          .minute = second / 60 % 60,
          .second = second % 60,
          .weekday = std::chrono::weekday(date).c_encoding()};
}

std::optional<int64_t> NanosOf(const Civil& c) {
  using namespace std::chrono;
  const year_month_day ymd(year(c.year), month(c.month), day(c.day));
  const bool fits = c.year >= 1678 && c.year <= 2261;  // 64 bits of nanoseconds
  // A leap second is told as second 60.
  if (!fits || !ymd.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  const int64_t day = sys_days(ymd).time_since_epoch().count();
  const int64_t second = day * 86'400 + int64_t{c.hour} * 3600 + int64_t{c.minute} * 60 + c.second;
  return second * kNanosASecond;
}

/// Reads a date off the front of a text, piece by piece; false for ever after a piece that is
/// wrong.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : rest_(text) {}

  DateReader& Skip(std::string_view literal) {
    ok_ = ok_ && rest_.starts_with(literal);
    if (ok_) rest_.remove_prefix(literal.size());
    return *this;
  }
  template <class Number>
  DateReader& Digits(size_t count, Number* into) {
    ok_ = ok_ && rest_.size() >= count &&
          std::ranges::all_of(rest_.substr(0, count), [](char c) { return c >= '0' && c <= '9'; });
    if (!ok_) return *this;
    *into = 0;
    for (const char c : rest_.substr(0, count)) {
      *into = *into * 10 + static_cast<Number>(c - '0');
    }
    rest_.remove_prefix(count);
    return *this;
  }
  /// One of the three-letter names, as its number.
  DateReader& Name(std::string_view names, unsigned* into) {
    const size_t at = ok_ && rest_.size() >= 3 ? names.find(rest_.substr(0, 3)) : names.npos;
    ok_ = at != names.npos && at % 3 == 0;
    if (!ok_) return *this;
    *into = static_cast<unsigned>(at / 3);
    rest_.remove_prefix(3);
    return *this;
  }
  /// ".123", or nothing; what is finer than a nanosecond is dropped.
  DateReader& Fraction(int64_t* ns) {
    if (!ok_ || !rest_.starts_with('.')) return *this;
    rest_.remove_prefix(1);
    size_t digits = 0;
    for (int64_t unit = kNanosASecond / 10; digits < rest_.size(); ++digits, unit /= 10) {
      if (rest_[digits] < '0' || rest_[digits] > '9') break;
      *ns += unit * (rest_[digits] - '0');
    }
    ok_ = digits > 0;
    rest_.remove_prefix(digits);
    return *this;
  }
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string PercentEncode(std::string_view text, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || (c == '/' && keep_slash)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Fail(
          Code::kInvalidArgument,
          fmt::format("'{}' has a '%' that no two hex digits follow; write %25 for '%'", text));
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

std::string Hex(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

namespace {

const unsigned char* Raw(const void* bytes) {
  return static_cast<const unsigned char*>(bytes);
}

/// OpenSSL looks its algorithms up by name, which costs more than a short hash does: once a thread.
class Sha256Context {
 public:
  Sha256Context() {
    FB_ASSERT(digest_ != nullptr && hash_ != nullptr && mac_ != nullptr);
    char name[] = "SHA256";
    const OSSL_PARAM which[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                                OSSL_PARAM_construct_end()};
    FB_ASSERT(EVP_MAC_CTX_set_params(mac_.get(), which) == 1);
  }

  Sha256 Hash(Bytes bytes) {
    Sha256 hash;
    auto* const into = reinterpret_cast<unsigned char*>(hash.data());
    FB_ASSERT(EVP_DigestInit_ex2(hash_.get(), digest_.get(), nullptr) == 1 &&
              EVP_DigestUpdate(hash_.get(), bytes.data(), bytes.size()) == 1 &&
              EVP_DigestFinal_ex(hash_.get(), into, nullptr) == 1);
    return hash;
  }

  Sha256 Mac(Bytes key, std::string_view text) {
    // Null would mean the last key that was used.
    static constexpr std::byte kNoKey[1] = {};
    Sha256 hash;
    size_t size = 0;
    FB_ASSERT(EVP_MAC_init(mac_.get(), Raw(key.empty() ? kNoKey : key.data()), key.size(),
                           nullptr) == 1 &&
              EVP_MAC_update(mac_.get(), Raw(text.data()), text.size()) == 1 &&
              EVP_MAC_final(mac_.get(), reinterpret_cast<unsigned char*>(hash.data()), &size,
                            hash.size()) == 1);
    FB_ASSERT(size == hash.size());
    return hash;
  }

 private:
  template <auto kFree>
  struct Freed {
    void operator()(auto* thing) const { kFree(thing); }
  };
  static EVP_MAC_CTX* NewMac() {
    EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* const made = hmac == nullptr ? nullptr : EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);  // counted: the context has its own
    return made;
  }

  std::unique_ptr<EVP_MD, Freed<EVP_MD_free>> digest_{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> hash_{EVP_MD_CTX_new()};
  std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>> mac_{NewMac()};
};

Sha256Context& OfThisThread() {
  thread_local Sha256Context context;
  return context;
}

}  // namespace

Sha256 HashSha256(Bytes bytes) {
  return OfThisThread().Hash(bytes);
}

Sha256 HmacSha256(Bytes key, std::string_view text) {
  return OfThisThread().Mac(key, text);
}

/// By hand: every answer of the S3 door tells a date.
std::string HttpDate(int64_t wall_ns) {
  const Civil c = CivilOf(wall_ns);
  std::string text = "Www, 00 Mmm 0000 00:00:00 GMT";
  const auto put = [&text](size_t last, size_t digits, auto number) {
    for (; digits > 0; --digits, --last, number /= 10) {
      text[last] = static_cast<char>('0' + number % 10);
    }
  };
  text.replace(0, 3, NameAt(kWeekdays, c.weekday));
  text.replace(8, 3, NameAt(kMonths, c.month - 1));
  put(6, 2, c.day);
  put(15, 4, c.year);
  put(18, 2, c.hour);
  put(21, 2, c.minute);
  put(24, 2, c.second);
  return text;
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  Civil c;
  DateReader reader(text);
  reader.Name(kWeekdays, &c.weekday).Skip(", ").Digits(2, &c.day).Skip(" ");
  reader.Name(kMonths, &c.month).Skip(" ").Digits(4, &c.year).Skip(" ");
  reader.Digits(2, &c.hour).Skip(":").Digits(2, &c.minute).Skip(":").Digits(2, &c.second);
  if (!reader.Skip(" GMT").AtEnd()) return std::nullopt;
  ++c.month;
  return NanosOf(c);
}

std::optional<int64_t> ParseIsoDate(std::string_view text) {
  Civil c;
  int64_t fraction = 0;
  DateReader reader(text);
  reader.Digits(4, &c.year).Skip("-").Digits(2, &c.month).Skip("-").Digits(2, &c.day).Skip("T");
  reader.Digits(2, &c.hour).Skip(":").Digits(2, &c.minute).Skip(":").Digits(2, &c.second);
  if (!reader.Fraction(&fraction).Skip("Z").AtEnd()) return std::nullopt;
  const std::optional<int64_t> seconds = NanosOf(c);
  return seconds ? std::optional(*seconds + fraction) : std::nullopt;
}

std::string BasicIsoDate(int64_t wall_ns) {
  const Civil c = CivilOf(wall_ns);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute,
                     c.second);
}

std::string BareEtag(std::string_view header) {
  const bool weak = header.starts_with("W/");
  std::string_view bare = header.substr(weak ? 2 : 0);
  if (bare.size() >= 2 && bare.starts_with('"') && bare.ends_with('"')) {
    bare = bare.substr(1, bare.size() - 2);
  }
  return (weak ? "W/" : "") + std::string(bare);
}

std::string QuotedEtag(std::string_view bare) {
  const bool weak = bare.starts_with("W/");
  return fmt::format("{}\"{}\"", weak ? "W/" : "", bare.substr(weak ? 2 : 0));
}

}  // namespace forebay::http_origin
