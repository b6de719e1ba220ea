// What sockets of TCP are told.
#pragma once

namespace forebay::platform {

/// Before it connects or listens; what is accepted inherits it. Nothing waits for more to send, and
/// who vanished without a word (power, a network that parted) is noticed.
void PrepareTcp(int fd);

/// Once much is sent: little waits in the socket for a reader of this machine.
void KeepSendsNear(int fd);

}  // namespace forebay::platform
