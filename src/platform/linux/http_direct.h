// Http over the loop's own sockets for what moves the most bytes: plain GETs. A body goes from the
// socket straight into the reader's memory, where libcurl would copy it once more.
#pragma once

#include <memory>

#include "src/platform/linux/http_curl.h"
#include "src/platform/linux/net.h"
#include "src/runtime/clock.h"

namespace forebay::platform {

/// Everything else is for `rest`: other methods, TLS, proxies, names that it has not found lately,
/// what does not connect soon or speaks oddly, and what comes while all of `limits` are in use.
/// Every part must outlive the responses.
std::unique_ptr<Http> MakeDirectHttp(LinuxNet& net, Clock& clock, HttpLimits limits,
                                     KnownAddresses& known, std::unique_ptr<Http> rest);

}  // namespace forebay::platform
