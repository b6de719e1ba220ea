#include "bench/rows.h"

namespace forebay::bench {

void RuntimeRows(Report& report) {
  report.Missing("runtime", "no rows yet");
}

}  // namespace forebay::bench
