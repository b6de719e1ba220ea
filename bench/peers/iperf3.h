// The installed iperf3, as an independent look at what one loopback stream can carry here.
#pragma once

#include "src/base/result.h"

namespace forebay::bench {

/// Bytes a second that the receiver got; kNotFound where iperf3 is not installed.
Result<double> Iperf3Rate();

}  // namespace forebay::bench
