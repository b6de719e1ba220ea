// One list of figures, from which the metrics and the status are written. A figure
// `origin.requests` is that path in the JSON and `forebay_origin_requests_total` among the metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "src/node/counters.h"
#include "src/store/stats.h"

namespace forebay::observe {

struct ProcessFigures {
  uint64_t rss_bytes = 0;
  uint64_t descriptors = 0;
  uint64_t threads = 0;
  uint64_t uptime_ms = 0;
};

/// What the pages look at. Everything here must outlive whoever has it.
/// Of the layer that speaks with stores by HTTP.
struct FetchFigures {
  uint64_t requests = 0;
  uint64_t retries = 0;
  uint64_t hedges = 0;
  uint64_t hedges_won = 0;
  uint64_t slow_downs = 0;
};

/// All 0 where the node stands alone.
struct CellFigures {
  uint64_t epoch = 0;
  uint64_t nodes = 0;  // that live
  bool controls = false;
  uint64_t frozen = 0;
};

struct Observed {
  std::string version;
  const Counters* counters = nullptr;
  std::function<FetchFigures()> fetch;
  std::function<StoreStats()> store;
  std::function<CellFigures()> cell;  // null: there is none
  std::function<bool()> ready;
  std::function<ProcessFigures()> process;
};

enum class FigureKind : unsigned char { kCounter, kGauge };

struct Figure {
  std::string_view path;  // "GROUP.NAME"; figures of a group stand together
  FigureKind kind;
  std::string_view help;
  uint64_t value;
};

std::vector<Figure> ListFigures(const Observed& observed);

/// docs/STATUS_JSON.md: paths are only ever added.
std::string StatusJson(const Observed& observed);
/// The text format of Prometheus, version 0.0.4.
std::string MetricsText(const Observed& observed);

}  // namespace forebay::observe
