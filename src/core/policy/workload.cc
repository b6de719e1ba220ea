#include "src/core/policy/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "src/base/prng.h"

namespace forebay {
namespace {

struct Parameter {
  std::string_view name;
  double value;
  double least;
  double most;
};

constexpr double kMostObjects = 100e6;
constexpr double kMostRequests = 1e9;

const std::vector<Parameter> kZipf = {{"alpha", 0.9, 0, 10},
                                      {"objects", 100'000, 1, kMostObjects},
                                      {"requests", 1'000'000, 1, kMostRequests},
                                      {"seed", 1, 0, 1e15}};
const std::vector<Parameter> kZipfScan = {{"alpha", 0.9, 0, 10},
                                          {"objects", 100'000, 1, kMostObjects},
                                          {"requests", 1'000'000, 1, kMostRequests},
                                          {"scan_every", 50'000, 1, kMostRequests},
                                          {"scan_length", 10'000, 1, kMostObjects},
                                          {"scan_objects", 100'000, 1, kMostObjects},
                                          {"seed", 1, 0, 1e15}};
const std::vector<Parameter> kEpochs = {{"objects", 100'000, 1, kMostObjects},
                                        {"epochs", 6, 1, 1e6},
                                        {"jobs", 1, 1, 1e4},
                                        {"seed", 1, 0, 1e15}};

double Get(const std::vector<Parameter>& parameters, std::string_view name) {
  for (const Parameter& parameter : parameters) {
    if (parameter.name == name) return parameter.value;
  }
  return 0;
}
uint64_t GetWhole(const std::vector<Parameter>& parameters, std::string_view name) {
  return static_cast<uint64_t>(Get(parameters, name));
}

Result<void> Set(std::vector<Parameter>& parameters, std::string_view setting) {
  const size_t equals = setting.find('=');
  const std::string_view name = setting.substr(0, equals);
  const auto fail = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}': {}", setting, why));
  };
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  if (found == parameters.end()) return fail("no such parameter");
  if (equals == std::string_view::npos) return fail("write it as name=value");
  const std::string_view text = setting.substr(equals + 1);
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return fail("not a number");
  if (!(value >= found->least && value <= found->most)) {
    return fail(fmt::format("must be from {} to {}", found->least, found->most));
  }
  if (name != "alpha" && value != std::floor(value)) return fail("must be a whole number");
  found->value = value;
  return {};
}

/// Draws ranks from a Zipf law by looking a 64-bit number up in the cumulative weights.
class ZipfSource {
 public:
  ZipfSource(double alpha, uint64_t objects) : cumulative_(objects) {
    double sum = 0;
    for (uint64_t i = 0; i < objects; ++i) {
      sum += std::pow(static_cast<double>(i + 1), -alpha);
      cumulative_[i] = sum;
    }
  }

  uint64_t Draw(Prng& prng) const {
    const double at = prng.Unit() * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, at);
    return static_cast<uint64_t>(found - cumulative_.begin());
  }

 private:
  std::vector<double> cumulative_;
};

Trace MakeZipf(const std::vector<Parameter>& parameters) {
  const ZipfSource source(Get(parameters, "alpha"), GetWhole(parameters, "objects"));
  Prng prng(GetWhole(parameters, "seed"));
  const uint64_t requests = GetWhole(parameters, "requests");
  const uint64_t scan_every = GetWhole(parameters, "scan_every");  // 0: there are no scans
  const uint64_t scan_objects = GetWhole(parameters, "scan_objects");
  uint64_t scanned = 0;
  Trace trace;
  for (uint64_t i = 1; i <= requests; ++i) {
    trace.Add(Mix64(source.Draw(prng)), 1);
    if (scan_every == 0 || i % scan_every != 0) continue;
    for (uint64_t j = GetWhole(parameters, "scan_length"); j > 0; --j) {
      trace.Add(Mix64(~(scanned++ % scan_objects)), 1);
    }
  }
  return trace;
}

/// One job of `epochs`: all objects, in a fresh order each time round.
class EpochSource {
 public:
  EpochSource(uint32_t objects, uint64_t seed) : prng_(seed), order_(objects) {
    for (uint32_t i = 0; i < objects; ++i) order_[i] = i;
    Shuffle();
  }

  void StartSomewhere() { next_ = static_cast<size_t>(prng_.Below(order_.size())); }

  uint32_t Draw() {
    if (next_ == order_.size()) Shuffle();
    return order_[next_++];
  }

 private:
  void Shuffle() {
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[prng_.Below(i)]);
    next_ = 0;
  }

  Prng prng_;
  std::vector<uint32_t> order_;
  size_t next_ = 0;
};

Trace MakeEpochs(const std::vector<Parameter>& parameters) {
  const auto objects = static_cast<uint32_t>(Get(parameters, "objects"));
  const uint64_t seed = GetWhole(parameters, "seed"), jobs = GetWhole(parameters, "jobs");
  std::vector<EpochSource> sources;
  for (uint64_t job = 0; job < jobs; ++job) {
    sources.emplace_back(objects, Mix64(seed) + job);
    // One job alone starts at the beginning, so that its epochs are those that are counted.
    if (jobs > 1) sources.back().StartSomewhere();
  }
  Prng prng(seed);
  Trace trace;
  const uint64_t reads = objects * jobs * GetWhole(parameters, "epochs");
  for (uint64_t i = 0; i < reads; ++i) trace.Add(Mix64(sources[prng.Below(jobs)].Draw()), 1);
  if (GetWhole(parameters, "epochs") > 1) trace.count_from = objects * jobs;
  return trace;
}

struct Workload {
  std::string_view name;
  const std::vector<Parameter>& parameters;
  Trace (*make)(const std::vector<Parameter>&);
};
const Workload kWorkloads[] = {
    {"zipf", kZipf, MakeZipf}, {"zipf-scan", kZipfScan, MakeZipf}, {"epochs", kEpochs, MakeEpochs}};

const Workload* Find(std::string_view spec) {
  const std::string_view name = spec.substr(0, spec.find(':'));
  for (const Workload& workload : kWorkloads) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

}  // namespace

bool IsWorkload(std::string_view spec) {
  return Find(spec) != nullptr;
}

Result<Trace> MakeWorkload(std::string_view spec) {
  const Workload* workload = Find(spec);
  if (workload == nullptr) {
    return Fail(Code::kInvalidArgument,
                fmt::format("no workload '{}'; there are zipf, zipf-scan and epochs", spec));
  }
  std::vector<Parameter> parameters = workload->parameters;
  std::string_view settings = spec.substr(workload->name.size());
  while (!settings.empty()) {
    settings.remove_prefix(1);  // the colon, then commas
    const std::string_view setting = settings.substr(0, settings.find(','));
    if (auto set = Set(parameters, setting); !set) {
      return Fail(set.error().Within(fmt::format("workload {}", workload->name)));
    }
    settings.remove_prefix(setting.size());
  }
  return workload->make(parameters);
}

}  // namespace forebay
