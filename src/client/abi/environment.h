// What forebay_options leave open, from the environment and the machine.
#pragma once

#include "include/forebay/forebay.h"
#include "src/client/client.h"

namespace forebay::client {

/// kInvalidArgument names the option; an unreadable token file is named, too.
Result<ClientOptions> OptionsOf(const forebay_options* options);

/// The sockets and memory of this machine.
Outside ThisMachine();

}  // namespace forebay::client
