#include "src/client/abi/handles.h"

#include <algorithm>

#include "src/client/abi/client_of.h"

namespace forebay::client {
namespace {

constexpr size_t kMaxMessage = 1024;
/// Fixed memory: telling of an error must not fail.
thread_local char last_error[kMaxMessage] = "";

constexpr int StatusOfCode(Code code) {
  return -1 - static_cast<int>(code);
}
// The statuses are an ABI; the codes may be told apart further one day, and then need a table.
static_assert(StatusOfCode(Code::kInvalidArgument) == FOREBAY_INVALID_ARGUMENT);
static_assert(StatusOfCode(Code::kNotFound) == FOREBAY_NOT_FOUND);
static_assert(StatusOfCode(Code::kAlreadyExists) == FOREBAY_ALREADY_EXISTS);
static_assert(StatusOfCode(Code::kVersionChanged) == FOREBAY_VERSION_CHANGED);
static_assert(StatusOfCode(Code::kPermissionDenied) == FOREBAY_PERMISSION_DENIED);
static_assert(StatusOfCode(Code::kUnauthenticated) == FOREBAY_UNAUTHENTICATED);
static_assert(StatusOfCode(Code::kOverloaded) == FOREBAY_OVERLOADED);
static_assert(StatusOfCode(Code::kUnavailable) == FOREBAY_UNAVAILABLE);
static_assert(StatusOfCode(Code::kDeadlineExceeded) == FOREBAY_DEADLINE_EXCEEDED);
static_assert(StatusOfCode(Code::kCancelled) == FOREBAY_CANCELLED);
static_assert(StatusOfCode(Code::kCorrupt) == FOREBAY_CORRUPT);
static_assert(StatusOfCode(Code::kIoError) == FOREBAY_IO_ERROR);
static_assert(StatusOfCode(Code::kNoSpace) == FOREBAY_NO_SPACE);
static_assert(StatusOfCode(Code::kInUse) == FOREBAY_IN_USE);
static_assert(StatusOfCode(Code::kUnsupported) == FOREBAY_UNSUPPORTED);
static_assert(StatusOfCode(Code::kInternal) == FOREBAY_INTERNAL);

template <size_t n>
void CopyText(std::string_view from, char (&to)[n]) {
  to[from.copy(to, n - 1)] = '\0';
}

static_assert(sizeof(forebay_info::etag) > wire::kMaxEtagBytes);
static_assert(sizeof(forebay_part::etag) > wire::kMaxEtagBytes);

}  // namespace

int Failed(const Error& error) noexcept {
  CopyText(error.message(), last_error);
  return StatusOfCode(error.code());
}

int Invalid(const char* what) noexcept {
  CopyText(what, last_error);
  return FOREBAY_INVALID_ARGUMENT;
}

std::optional<PutCondition> ConditionOf(const forebay_condition* condition) noexcept {
  PutCondition made;
  if (condition == nullptr) return made;
  if (condition->size < sizeof(forebay_condition)) {
    Invalid("condition: set its size to sizeof(forebay_condition)");
    return std::nullopt;
  }
  made.if_absent = condition->if_absent != 0;
  if (condition->if_match != nullptr) {
    made.if_match = condition->if_match;
    if (made.if_match.empty()) {
      Invalid("condition: if_match is empty; any version is NULL");
      return std::nullopt;
    }
  }
  if (made.if_match.size() > wire::kMaxEtagBytes) {
    Invalid("condition: if_match is longer than an etag may be");
    return std::nullopt;
  }
  return made;
}

void Fill(const ObjectInfo& from, forebay_info* to) noexcept {
  *to = {};
  to->size = from.size;
  to->modified_ns = from.modified_ns;
  StoreTo(to->version, from.version.hash.hi);
  StoreTo(to->version + sizeof(uint64_t), from.version.hash.lo);
  CopyText(from.etag, to->etag);
}

void Fill(const PutInfo& from, forebay_info* to) noexcept {
  if (to == nullptr) return;
  *to = {};
  to->size = from.size;
  to->modified_ns = from.modified_ns;
  CopyText(from.etag, to->etag);
}

Client& ClientOf(forebay_client* client) {
  return *client->client;
}

}  // namespace forebay::client

extern "C" const char* forebay_last_error(void) {
  return forebay::client::last_error;
}
