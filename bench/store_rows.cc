#include "bench/rows.h"

namespace forebay::bench {

void StoreRows(Report& report) {
  report.Missing("store", "no rows yet");
}

}  // namespace forebay::bench
