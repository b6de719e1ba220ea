// What sockets of TCP are told.
#pragma once

namespace forebay::platform {

/// Before it connects or listens; what is accepted inherits it. Nothing waits for more to send, and
/// who vanished without a word (power, a network that parted) is noticed.
void PrepareTcp(int fd);

/// Once it is connected: little waits in the socket for a reader of this machine.
void KeepSendsNear(int fd);

/// A receive that waits is woken by so many bytes, the end or an error; 1 at first.
void WakeAt(int fd, int bytes);

/// Before it is shut down: where something came that nobody took, its close tells the peer that
/// nobody will. The kernel does so where it is still there at the close; a receive in progress may
/// take it in between, and after a shutdown the kernel never tells of the room that this makes. The
/// peer would wait for it with a send for a minute. As at such a close, what is on its way to the
/// peer may be lost.
void ResetIfUnread(int fd);

}  // namespace forebay::platform
