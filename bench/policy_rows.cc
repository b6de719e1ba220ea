#include "bench/rows.h"

namespace forebay::bench {

void PolicyRows(Report& report) {
  report.Missing("policy", "no rows yet");
}

}  // namespace forebay::bench
