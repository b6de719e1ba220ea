// Http over libcurl, whose sockets and alarms the loop watches.
#pragma once

#include <memory>

#include "src/platform/linux/http_words.h"
#include "src/platform/linux/reactor.h"
#include "src/runtime/http.h"

namespace forebay::platform {

struct HttpLimits {
  long connections = 0;
  long kept_connections = 0;
};

/// Costs nothing before its first request. Connections are kept and used again.
/// Tells `known`, which must outlive it, where it found the hosts of plain URLs.
std::unique_ptr<Http> MakeCurlHttp(Reactor& reactor, HttpLimits limits, KnownAddresses& known);

}  // namespace forebay::platform
