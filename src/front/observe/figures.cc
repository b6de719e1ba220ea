#include "src/front/observe/figures.h"
#include "src/base/json_string.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::observe {
namespace {

constexpr FigureKind kCounter = FigureKind::kCounter;
constexpr FigureKind kGauge = FigureKind::kGauge;

/// The figures of one disk, besides where it is and what policy it has.
struct DiskFigure {
  std::string_view name;
  FigureKind kind;
  std::string_view help;
  uint64_t DiskStats::* field;
};
constexpr DiskFigure kDiskFigures[] = {
    {"size_bytes", kGauge, "Size of the tier", &DiskStats::size_bytes},
    {"used_bytes", kGauge, "Bytes that blocks take", &DiskStats::used_bytes},
    {"blocks", kGauge, "Blocks on the disk", &DiskStats::blocks},
    {"pending_bytes", kGauge, "Bytes that wait to be written", &DiskStats::pending_bytes},
    {"bad_bytes", kGauge, "Bytes never used again after a read error", &DiskStats::bad_bytes},
    {"reads", kCounter, "Reads", &DiskStats::reads},
    {"writes", kCounter, "Writes", &DiskStats::writes},
    {"written_bytes", kCounter, "Bytes of blocks and trailers written",
     &DiskStats::data_bytes_written},
    {"evictions", kCounter, "Blocks that left for others", &DiskStats::evictions},
    {"rotten_blocks", kCounter, "Blocks that did not match their checksums, dropped",
     &DiskStats::rotten_blocks},
    {"io_errors", kCounter, "Errors of the device", &DiskStats::io_errors},
    {"skipped", kCounter, "Blocks not brought down because the disk was behind",
     &DiskStats::skipped_behind},
};

/// In a label, backslash, quote and line end are escaped.
std::string LabelValue(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

std::string MetricName(std::string_view path, FigureKind kind) {
  std::string name = "forebay_" + std::string(path);
  std::ranges::replace(name, '.', '_');
  return kind == kCounter ? name + "_total" : name;
}

void AppendHead(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
  out += fmt::format("# HELP {} {}.\n# TYPE {} {}\n", name, help, name, type);
}

std::string_view TypeName(FigureKind kind) {
  return kind == kCounter ? "counter" : "gauge";
}

void AppendDisks(std::string& out, const StoreStats& store) {
  for (const DiskFigure& figure : kDiskFigures) {
    if (store.disks.empty()) return;
    const std::string name = MetricName(fmt::format("disk.{}", figure.name), figure.kind);
    AppendHead(out, name, TypeName(figure.kind), figure.help);
    for (const DiskStats& disk : store.disks) {
      out += fmt::format("{}{{directory=\"{}\"}} {}\n", name, LabelValue(disk.directory),
                         disk.*figure.field);
    }
  }
}

void AppendLatency(std::string& out, const LatencyHistogram& latency) {
  constexpr std::string_view kName = "forebay_read_seconds";
  AppendHead(out, kName, "histogram", "Reads, from arrival to answer");
  uint64_t below = 0;
  for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
    below += latency.count(i);
    const std::string bound =
        i < LatencyHistogram::kBoundsNs.size()
            ? fmt::format("{}", static_cast<double>(LatencyHistogram::kBoundsNs[i]) / 1e9)
            : "+Inf";
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", kName, bound, below);
  }
  out += fmt::format("{}_sum {}\n{}_count {}\n", kName, static_cast<double>(latency.sum_ns()) / 1e9,
                     kName, below);
}

std::string DisksJson(const StoreStats& store) {
  std::string out;
  for (const DiskStats& disk : store.disks) {
    out += fmt::format("{}\n    {{\"directory\": {}, \"alive\": {}, \"policy\": {}",
                       out.empty() ? "" : ",", JsonString(disk.directory), !disk.dead,
                       JsonString(disk.policy));
    for (const DiskFigure& figure : kDiskFigures) {
      out += fmt::format(", \"{}\": {}", figure.name, disk.*figure.field);
    }
    out += "}";
  }
  return out.empty() ? "[]" : "[" + out + "\n  ]";
}

void AddRequests(std::vector<Figure>& list, const Counters& c, const FetchFigures& fetch) {
  list.insert(
      list.end(),
      {{"origin.requests", kCounter, "Requests to origins",
        c.origin.requests.value() + fetch.requests},
       {"origin.bytes", kCounter, "Bytes read from origins", c.origin.bytes.value()},
       {"origin.errors", kCounter, "Requests to origins that failed", c.origin.errors.value()},
       {"origin.retries", kCounter, "Requests to origins made again",
        c.origin.retries.value() + fetch.retries},
       {"origin.hedges", kCounter, "Requests made twice because the first was late", fetch.hedges},
       {"origin.hedges_won", kCounter, "Of these, where the second was answered first",
        fetch.hedges_won},
       {"origin.slow_downs", kCounter, "Answers of origins that asked to slow down",
        fetch.slow_downs},

       {"read.requests", kCounter, "Reads asked for by message", c.read.requests.value()},
       {"read.bytes", kCounter, "Bytes given to readers, shared memory included",
        c.read.bytes.value() + c.read.local_bytes.value()},
       {"read.hits", kCounter, "Blocks that readers found in the cache, shared memory included",
        c.read.hits.value() + c.read.local_hits.value()},
       {"read.misses", kCounter, "Blocks that readers had to wait for", c.read.misses.value()},
       {"read.errors", kCounter, "Reads that failed", c.read.errors.value()},
       {"read.slow", kCounter, "Reads that took longer than slow_request", c.read.slow.value()},
       {"read.local_bytes", kCounter, "Bytes read through shared memory",
        c.read.local_bytes.value()},
       {"read.local_hits", kCounter, "Blocks read through shared memory",
        c.read.local_hits.value()},

       {"write.requests", kCounter, "Writes", c.write.requests.value()},
       {"write.bytes", kCounter, "Bytes written to origins", c.write.bytes.value()},
       {"write.errors", kCounter, "Writes that failed", c.write.errors.value()}});
}

void AddCell(std::vector<Figure>& list, const Counters& c, const CellFigures& cell) {
  list.insert(
      list.end(),
      {{"peer.requests", kCounter, "Ranges asked of other nodes", c.peer.requests.value()},
       {"peer.bytes", kCounter, "Bytes read from other nodes", c.peer.bytes.value()},
       {"peer.fallbacks", kCounter, "Ranges that an asked node could not give",
        c.peer.fallbacks.value()},
       {"peer.served_requests", kCounter, "Reads by other nodes", c.peer.served_requests.value()},
       {"peer.served_bytes", kCounter, "Bytes given to other nodes", c.peer.served_bytes.value()},
       {"peer.sent_elsewhere", kCounter, "Reads sent on to a node that had just got the block",
        c.peer.sent_elsewhere.value()},

       {"cell.epoch", kGauge, "The map that this node knows; 0 where it stands alone", cell.epoch},
       {"cell.nodes", kGauge, "Nodes that live by that map", cell.nodes},
       {"cell.controls", kGauge, "1 where this node writes the map", cell.controls ? 1u : 0u},
       {"cell.frozen", kGauge, "Dead who stay in the map because too many went at once",
        cell.frozen}});
}

void AddInnerWork(std::vector<Figure>& list, const Counters& c) {
  list.insert(
      list.end(),
      {{"metadata.hits", kCounter, "Names resolved from memory", c.metadata.hits.value()},
       {"metadata.misses", kCounter, "Names that the origin was asked for",
        c.metadata.misses.value()},
       {"metadata.negative_hits", kCounter, "Names known not to exist",
        c.metadata.negative_hits.value()},
       {"metadata.revalidations", kCounter, "Names asked for again once they were stale",
        c.metadata.revalidations.value()},

       {"fill.fills", kCounter, "Ranges filled from origins", c.fill.fills.value()},
       {"fill.shared", kCounter, "Readers that waited for somebody else's fill",
        c.fill.shared.value()},
       {"fill.failed", kCounter, "Fills that failed", c.fill.failed.value()},

       {"door.connections", kCounter, "Connections accepted", c.door.connections.value()},
       {"door.refused", kCounter, "Connections refused", c.door.refused.value()},
       {"door.requests", kCounter, "Requests of the binary protocol", c.door.requests.value()},
       {"door.protocol_errors", kCounter, "Connections ended because of what they sent",
        c.door.protocol_errors.value()}});
}

void AddHoldings(std::vector<Figure>& list, const StoreStats& store,
                 const ProcessFigures& process) {
  list.insert(
      list.end(),
      {{"blocks.count", kGauge, "Blocks in the cache, in memory or on disk", store.blocks},

       {"memory.capacity_bytes", kGauge, "Memory for blocks", store.memory_capacity_bytes},
       {"memory.used_bytes", kGauge, "Of which blocks take", store.memory_used_bytes},
       {"memory.hits", kCounter, "Lookups of the memory tier that found", store.memory_hits},
       {"memory.misses", kCounter, "Lookups of the memory tier that did not", store.memory_misses},
       {"memory.evictions", kCounter, "Blocks that left memory for others", store.memory_evictions},
       {"memory.rss_bytes", kGauge, "Resident memory of the process", process.rss_bytes},

       {"process.descriptors", kGauge, "Open file descriptors", process.descriptors},
       {"process.threads", kGauge, "Threads", process.threads},
       {"process.uptime_ms", kGauge, "Milliseconds since the start", process.uptime_ms}});
}

}  // namespace

std::vector<Figure> ListFigures(const Observed& observed) {
  std::vector<Figure> list;
  AddRequests(list, *observed.counters, observed.fetch ? observed.fetch() : FetchFigures());
  AddCell(list, *observed.counters, observed.cell ? observed.cell() : CellFigures());
  AddInnerWork(list, *observed.counters);
  AddHoldings(list, observed.store(), observed.process());
  return list;
}

std::string StatusJson(const Observed& observed) {
  std::string out = fmt::format("{{\n  \"version\": {},\n  \"ready\": {}",
                                JsonString(observed.version), observed.ready());
  std::string_view group;
  for (const Figure& figure : ListFigures(observed)) {
    const size_t dot = figure.path.find('.');
    const bool opens = figure.path.substr(0, dot) != group;
    if (opens && !group.empty()) out += "}";
    group = figure.path.substr(0, dot);
    out += opens ? fmt::format(",\n  \"{}\": {{", group) : ", ";
    out += fmt::format("\"{}\": {}", figure.path.substr(dot + 1), figure.value);
  }
  return out + "},\n  \"disks\": " + DisksJson(observed.store()) + "\n}\n";
}

std::string MetricsText(const Observed& observed) {
  std::string out;
  AppendHead(out, "forebay_info", "gauge", "Always 1; the label says which version runs");
  out += fmt::format("forebay_info{{version=\"{}\"}} 1\n", LabelValue(observed.version));
  AppendHead(out, "forebay_ready", "gauge", "1 where requests are served");
  out += fmt::format("forebay_ready {}\n", observed.ready() ? 1 : 0);
  for (const Figure& figure : ListFigures(observed)) {
    const std::string name = MetricName(figure.path, figure.kind);
    AppendHead(out, name, TypeName(figure.kind), figure.help);
    out += fmt::format("{} {}\n", name, figure.value);
  }
  AppendLatency(out, observed.counters->read.latency);
  AppendDisks(out, observed.store());
  return out;
}

}  // namespace forebay::observe
