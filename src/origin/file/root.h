// Where a file origin lies: its paths, which keys it takes, and how its errors read.
#pragma once

#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/runtime/env.h"

namespace forebay::file_origin {

/// At the top of the directory, and no object's: what is being written lies here.
inline constexpr std::string_view kStagingName = ".forebay-tmp";
inline constexpr uint64_t kMaxKeyBytes = 1024;

class Root {
 public:
  /// `url` is "file:///directory".
  static Result<Root> Parse(std::string_view url);

  const std::string& url() const { return url_; }
  const std::string& directory() const { return directory_; }
  std::string PathOf(std::string_view key) const;
  std::string StagingPath(std::string_view name) const;

  Result<void> CheckKey(std::string_view key) const;
  /// Before each step that may take long.
  Result<void> CheckCall(Env& env, const Call& call) const;

  std::unexpected<Error> Failed(Code code, std::string_view message) const;
  /// What the disk said, as this origin's error.
  std::unexpected<Error> Failed(const Error& error) const;
  std::unexpected<Error> NoObject(std::string_view key) const;
  /// What failing to find `key` means: an origin whose directory is gone has lost its objects only
  /// for as long.
  Task<Error> ExplainMissing(Env& env, Error error, std::string key) const;
  Task<Result<void>> CheckThere(Env& env) const;

 private:
  std::string url_;
  std::string directory_;
};

/// Of the disk: nothing has this name. A file where a directory should be, or a name that no file
/// system can hold, counts as well.
inline bool IsMissing(const Error& error) {
  return error.code() == Code::kNotFound || error.code() == Code::kInvalidArgument;
}

}  // namespace forebay::file_origin
