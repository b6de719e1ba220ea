#include "bench/rows.h"

namespace forebay::bench {

void StoreRows(Report& report) {
  StoreMemoryRows(report);
  StoreDiskRows(report);
}

}  // namespace forebay::bench
