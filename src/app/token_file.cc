#include "src/app/token_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace forebay::app {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

TokenFile::Stamp TokenFile::Look() const {
  struct stat info{};
  if (stat(path_.c_str(), &info) != 0) return {};
  return {.inode = info.st_ino,
          .modified_ns = info.st_mtim.tv_sec * kNanosPerSecond + info.st_mtim.tv_nsec,
          .size = info.st_size};
}

bool TokenFile::Changed() const {
  return Look() != read_;
}

Result<std::string> TokenFile::Read() {
  // Before the contents: a change meanwhile is seen at the next look.
  read_ = Look();
  errno = 0;
  std::ifstream file(path_, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  if (!file || !(file.read(text.data(), static_cast<std::streamsize>(text.size())) || file.eof())) {
    return Fail(Code::kNotFound,
                fmt::format("{}: cannot be read ({}); name a file that this user may read", name(),
                            std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: more than {} bytes; is it the right file?", name(), kMaxBytes));
  }
  return text;
}

}  // namespace forebay::app
