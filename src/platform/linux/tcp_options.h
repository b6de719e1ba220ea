// What sockets of TCP are told before they are used.
#pragma once

namespace forebay::platform {

/// Before it connects or listens; what is accepted inherits it. Nothing waits for more to send, and
/// who vanished without a word (power, a network that parted) is noticed.
void PrepareTcp(int fd);

}  // namespace forebay::platform
