// Files of this machine, as copies come from them and go to them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/result.h"

namespace forebay::app {

bool IsDirectory(const std::string& path);
/// "/dev/stdout", and the file that standard output goes to.
bool IsStandardOutput(const std::string& path);
/// With all that lead to it.
Result<void> MakeDirectories(const std::string& path);

struct LocalFile {
  std::string name;  // below the directory: "train/0.tar"
  uint64_t size = 0;
};
/// All files below a directory, behind links too, in the order of their names.
Result<std::vector<LocalFile>> FilesBelow(const std::string& directory);

/// A file that has its name only once it is whole; dropped before, nothing is left. Devices and
/// pipes are written as they are.
class WholeFile {
 public:
  explicit WholeFile(const std::string& path);
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  ~WholeFile();

  const std::string& path() const { return path_; }
  Result<int> fd() const;
  Result<void> Name();

 private:
  const std::string path_;
  std::string draft_;  // empty: none
  int fd_ = -1;
  int open_error_ = 0;
  bool named_ = false;
};

/// Open for reading; "-" is standard input.
struct InputFile {
  int fd = -1;
  uint64_t size = 0;  // 0: not known
  InputFile() = default;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();
  Result<void> Open(const std::string& path);
};

}  // namespace forebay::app
