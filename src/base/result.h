// Errors are values. A function that can fail returns Result<T>; a miss in a cache is not a
// failure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace forebay {

/// What went wrong, as far as a caller needs to know to decide what to do next.
enum class Code : unsigned char {
  kInvalidArgument,   // the request itself is wrong; the same request will fail again
  kNotFound,          // the named thing does not exist
  kAlreadyExists,     // it does, and was required not to
  kVersionChanged,    // the object is no longer the version that the handle is pinned to
  kPermissionDenied,  // known caller, not allowed
  kUnauthenticated,   // caller not known
  kOverloaded,        // refused early to stay within a bound; try again later
  kUnavailable,       // a peer, an origin or a service cannot be reached now
  kDeadlineExceeded,  // the caller's deadline passed
  kCancelled,         // the caller, or a shutdown, gave up
  kCorrupt,           // stored or received bytes do not match their checksum or format
  kIoError,           // a device or the kernel reported a failure
  kNoSpace,           // a device or a budget is full
  kInUse,             // held by another live process
  kUnsupported,       // not offered here
  kInternal,          // a defect of ours
};

std::string_view CodeName(Code code);

/// True where the same request may succeed later without anyone changing it.
constexpr bool IsRetryable(Code code) {
  return code == Code::kOverloaded || code == Code::kUnavailable || code == Code::kInUse;
}

/// A code and a message that names the thing and, where there is one, the fix.
class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  bool retryable() const { return IsRetryable(code_); }

  /// "no space: tier /data/disk0 is full".
  std::string ToString() const;

  /// The same error seen from one level up: "open /data: no space: ...".
  Error Within(std::string_view what) const;

 private:
  Code code_;
  std::string message_;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> Fail(Code code, std::string message) {
  return std::unexpected(Error(code, std::move(message)));
}
inline std::unexpected<Error> Fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace forebay

// Leaves the enclosing function with the error of `expr`, if it has one. One of each for functions
// and for coroutines, because `return` is not a word that a coroutine knows.
#define FB_CONCAT_INNER(a, b) a##b
#define FB_CONCAT(a, b) FB_CONCAT_INNER(a, b)
#define FB_TRY_IMPL(tmp, leave, expr) \
  if (auto tmp = (expr); !tmp) leave ::std::unexpected(std::move(tmp.error()))
#define FB_ASSIGN_IMPL(tmp, leave, decl, expr)               \
  auto tmp = (expr);                                         \
  if (!tmp) leave ::std::unexpected(std::move(tmp.error())); \
  decl = std::move(*tmp)
#define FB_TRY(expr) FB_TRY_IMPL(FB_CONCAT(fb_result_, __LINE__), return, expr)
#define FB_CO_TRY(expr) FB_TRY_IMPL(FB_CONCAT(fb_result_, __LINE__), co_return, expr)
#define FB_ASSIGN(decl, expr) FB_ASSIGN_IMPL(FB_CONCAT(fb_result_, __LINE__), return, decl, expr)
#define FB_CO_ASSIGN(decl, expr) \
  FB_ASSIGN_IMPL(FB_CONCAT(fb_result_, __LINE__), co_return, decl, expr)
