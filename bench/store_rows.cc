#include "bench/rows.h"

namespace forebay::bench {

void StoreRows(Report& report) {
  StoreMemoryRows(report);
  StoreDiskRows(report);
  StoreSpaceRows(report);
  StoreIndexRows(report);
}

}  // namespace forebay::bench
