// What OpenSSL says went wrong, in words that help.
#pragma once

#include <string>

namespace forebay::tls {

/// Takes everything off this thread's queue of errors; its first reason: "no shared cipher".
std::string TakeReason();

/// The same of a handshake that failed at a server: what the client did, and what would do.
std::string TakeHandshakeReason();

}  // namespace forebay::tls
