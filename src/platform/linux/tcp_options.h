// What sockets of TCP are told.
#pragma once

namespace forebay::platform {

/// Before it listens or connects; what is accepted inherits it.
void PrepareTcp(int fd);

/// Once it is connected.
void TuneToPeer(int fd);

}  // namespace forebay::platform
