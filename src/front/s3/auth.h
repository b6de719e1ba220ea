// Who a request is from, and how its body is to be read.
#pragma once

#include "src/front/s3/exchange.h"

namespace forebay::s3door {

/// Fills in who asks. What is not signed is anonymous, where that is let in.
Outcome<void> Authenticate(Exchange& x);

}  // namespace forebay::s3door
