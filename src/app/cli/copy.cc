#include "src/app/cli/copy.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "src/app/cli/interrupt.h"

namespace forebay::app {
namespace {

constexpr int kLookAgainMs = 200;  // for a signal that came just before a wait

std::unexpected<Error> SystemError(const std::string& name) {
  return Fail(errno == ENOSPC ? Code::kNoSpace : Code::kIoError,
              fmt::format("{}: {}", name, std::strerror(errno)));
}

}  // namespace

Result<void> WriteAll(int fd, Bytes bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError(name);
    bytes = bytes.subspan(static_cast<size_t>(size));
  }
  return {};
}

Result<size_t> ReadSome(int fd, MutableBytes into, const std::string& name) {
  while (!Interrupted()) {
    // A read goes on after a signal; this does not, and looks again for one that came before it.
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int count = poll(&ready, 1, kLookAgainMs);
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const ssize_t size = read(fd, into.data(), into.size());
    if (size < 0 && errno != EINTR) return SystemError(name);
    // Ctrl-C ends those that write to us, too: then this is not the end of what there was to say.
    if (size >= 0 && !Interrupted()) return static_cast<size_t>(size);
  }
  return Fail(Code::kCancelled, "interrupted");
}

Result<void> ReadObject(OpenObject& object, uint64_t offset, uint64_t size, const Sink& sink) {
  std::vector<std::byte> buffer(std::min(size, kCopyBytes));
  while (size > 0) {
    if (Interrupted()) return Fail(Code::kCancelled, "interrupted");
    const auto into = MutableBytes(buffer).first(std::min<uint64_t>(size, buffer.size()));
    FB_ASSIGN(const size_t got, object.Read(into, offset));
    if (got == 0) return {};
    FB_TRY(sink(Bytes(into).first(got)));
    offset += got;
    size -= got;
  }
  return {};
}

Result<void> ReadCurrent(Session& session, const std::string& path, OpenObject object,
                         uint64_t offset, uint64_t size, const Sink& sink) {
  bool given = false;
  const auto note = [&](Bytes bytes) {
    given = true;
    return sink(bytes);
  };
  const uint64_t first = std::min(size, object.info().size - std::min(object.info().size, offset));
  auto done = ReadObject(object, offset, first, note);
  if (done || given || done.error().code() != Code::kVersionChanged) return done;
  FB_ASSIGN(object, session.Open(path));
  return ReadObject(object, offset, size, sink);
}

}  // namespace forebay::app
