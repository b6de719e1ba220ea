// A file of tokens or of keys, read again when it changes.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/result.h"

namespace forebay::app {

/// Small and local (a file, or a mounted secret): looking at it does not wait.
class TokenFile {
 public:
  /// `what` is in it: "tokens".
  TokenFile(std::string what, std::string path) : what_(std::move(what)), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// "tokens /etc/forebay/tokens"
  std::string name() const { return what_ + " " + path_; }
  /// The whole text; names the file and the fix.
  Result<std::string> Read();
  /// Since the last Read: another file under this name, or other contents as far as times tell.
  bool Changed() const;

 private:
  struct Stamp {
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    int64_t size = -1;
    bool operator==(const Stamp&) const = default;
  };
  Stamp Look() const;

  std::string what_;
  std::string path_;
  Stamp read_;
};

}  // namespace forebay::app
