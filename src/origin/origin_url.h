// Where an origin is, in one string that people type, the registry keeps and messages show:
//
//   azure://ACCOUNT/CONTAINER/PREFIX?endpoint=http%3A%2F%2F127.0.0.1%3A10000%2Fdevstoreaccount1
//   s3://BUCKET/PREFIX?endpoint=https://minio:9000&region=eu-1&credentials=profile:training
//
// It never holds a secret: `credentials` refers to where one is.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay {

struct OriginUrl {
  std::string scheme;     // "s3"
  std::string authority;  // bucket, account
  std::string path;       // what follows, percent-decoded, without its leading '/'
  std::map<std::string, std::string, std::less<>> parameters;  // decoded

  /// kInvalidArgument says what is wrong with it. A URL with "user:password@" is refused.
  static Result<OriginUrl> Parse(std::string_view text);
  /// The inverse; parameters in order of their names.
  std::string ToString() const;
  /// Without parameters: for messages about them, in which somebody may have put a secret.
  std::string Name() const;

  /// "" where it is not given.
  std::string_view Parameter(std::string_view name) const;
  /// kInvalidArgument names a parameter that is none of `known`, and lists those.
  Result<void> OnlyParameters(std::initializer_list<std::string_view> known) const;
};

}  // namespace forebay
