#include "src/platform/linux/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "src/platform/linux/errors.h"
#include "src/platform/linux/unique_fd.h"

namespace forebay::platform {

uint32_t EffectiveUser() {
  return geteuid();
}

Result<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return Fail(ErrnoError(errno, "open " + path));
  std::string text(max_bytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrnoError(errno, "read " + path));
    size += static_cast<size_t>(got);
  }
  if (size > max_bytes) {
    return Fail(Code::kInvalidArgument, path + ": longer than " + std::to_string(max_bytes) +
                                            " bytes: is it the right file?");
  }
  text.resize(size);
  return text;
}

}  // namespace forebay::platform
