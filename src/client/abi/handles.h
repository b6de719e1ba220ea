// What the C ABI's opaque pointers point to, and how results become statuses.
#pragma once

#include <memory>
#include <string>

#include "include/forebay/forebay.h"
#include "src/client/client.h"

struct forebay_client {
  std::unique_ptr<forebay::client::Client> client;
};

struct forebay_file {
  std::unique_ptr<forebay::client::File> file;
  forebay_info info{};
};

struct forebay_list {
  forebay_client* client = nullptr;
  std::string prefix;
  std::string delimiter;
  forebay::client::ListedPage page;
  size_t next = 0;
  bool begun = false;
};

struct forebay_upload {
  std::unique_ptr<forebay::client::Upload> upload;
};

namespace forebay::client {

/// Keeps the words for forebay_last_error; the status. Never throws.
int Failed(const Error& error) noexcept;
int Invalid(const char* what) noexcept;

template <class T>
int StatusOf(const Result<T>& result) noexcept {
  return result ? FOREBAY_OK : Failed(result.error());
}

/// Runs what may run out of memory: nothing is thrown across the ABI.
template <class F>
auto Guarded(F f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return Failed(Error(Code::kOverloaded, "this process is out of memory"));
  } catch (...) {
    return Failed(Error(Code::kInternal, "a defect of the client library"));
  }
}

/// nullopt, after Invalid, where `condition` is not one.
std::optional<PutCondition> ConditionOf(const forebay_condition* condition) noexcept;
void Fill(const ObjectInfo& from, forebay_info* to) noexcept;
void Fill(const PutInfo& from, forebay_info* to) noexcept;

}  // namespace forebay::client
