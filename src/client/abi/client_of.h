// The C++ client under a handle of the C ABI, for the `forebay` program.
#pragma once

#include "include/forebay/forebay.h"
#include "src/client/client.h"

namespace forebay::client {

/// Lives as long as the handle.
Client& ClientOf(forebay_client* client);

}  // namespace forebay::client
