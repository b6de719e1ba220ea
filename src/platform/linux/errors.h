// From errno to an Error that names the thing.
#pragma once

#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::platform {

/// "read /data/disk0: no such file or directory". `code` follows from `error`; what is not a known
/// kind of failure is kIoError.
Error ErrnoError(int error, std::string_view what);

/// "no such file or directory". Any thread.
std::string ErrnoText(int error);

/// The same for a byte stream: what broke it beyond our own limits means that the peer cannot be
/// reached now.
Error StreamError(int error, std::string_view what);

}  // namespace forebay::platform
