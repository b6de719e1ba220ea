// Bytes between an object and a descriptor.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/app/cli/progress.h"
#include "src/app/cli/session.h"

namespace forebay::app {

inline constexpr uint64_t kCopyBytes = uint64_t{4} << 20;  // of one read

/// All of `bytes`; `name` is for the message.
Result<void> WriteAll(int fd, Bytes bytes, const std::string& name);
/// At most into.size(); 0 at the end; kCancelled after Ctrl-C.
Result<size_t> ReadSome(int fd, MutableBytes into, const std::string& name);

/// [offset, offset+size) of an object, in order, piece by piece, until Ctrl-C (kCancelled).
using Sink = std::function<Result<void>(Bytes bytes)>;
Result<void> ReadObject(OpenObject& object, uint64_t offset, uint64_t size, const Sink& sink);
/// The same of what `path` stands for, which was opened as `object`. A name that was known may turn
/// out to be old when the first bytes are fetched: then it is opened anew, once.
Result<void> ReadCurrent(Session& session, const std::string& path, OpenObject object,
                         uint64_t offset, uint64_t size, const Sink& sink);

}  // namespace forebay::app
