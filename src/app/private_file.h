// Small files that hold secrets: there whole or not at all, and for nobody but their owner.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::app {

/// Of the kernel.
Result<std::string> RandomBytes(size_t size);

/// The secret that the file holds; makes both where there is no file.
Result<std::string> ReadOrMakeSecret(const std::string& path);

/// A file that one process at a time changes, whatever else reads it meanwhile.
class PrivateFile {
 public:
  /// Waits for whoever changes it now. A link leads to the file that is meant.
  static Result<PrivateFile> Lock(const std::string& path);
  PrivateFile(PrivateFile&& other) noexcept;
  PrivateFile& operator=(PrivateFile&&) = delete;
  ~PrivateFile();

  const std::string& path() const { return path_; }
  /// kNotFound: there is none.
  Result<std::string> Read(size_t at_most) const;
  /// On disk when it returns. A new file is its owner's alone; one that was there keeps its owner
  /// and what its group may do, and loses what others may.
  Result<void> Replace(std::string_view text) const;

 private:
  PrivateFile(std::string path, int directory) : path_(std::move(path)), directory_(directory) {}

  std::string path_;
  int directory_;  // holds the lock
};

}  // namespace forebay::app
