#include "src/app/config/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "src/app/config/values.h"
#include "src/base/units.h"
#include "src/core/policy/factory.h"

namespace forebay::app {
namespace {

// -- How each kind of value reaches its field.

template <uint64_t NodeConfig::* kField, uint64_t kLeast, uint64_t kMost>
Result<void> SetSize(NodeConfig& config, std::string_view text) {
  FB_ASSIGN(const uint64_t bytes, ParseSize(text));
  if (bytes < kLeast || bytes > kMost) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is out of range; {} to {} are possible",
                                                    text, FormatSize(kLeast), FormatSize(kMost)));
  }
  config.*kField = bytes;
  return {};
}

template <uint64_t NodeConfig::* kField, uint64_t kLeast, uint64_t kMost>
Result<void> SetCount(NodeConfig& config, std::string_view text) {
  FB_ASSIGN(const uint64_t count, ParseCount(text));
  if (count < kLeast || count > kMost) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is out of range; {} to {} are possible", text, kLeast, kMost));
  }
  config.*kField = count;
  return {};
}

template <auto kField, auto kParse>
Result<void> SetParsed(NodeConfig& config, std::string_view text) {
  FB_ASSIGN(config.*kField, kParse(text));
  return {};
}

constexpr int64_t kLongestSeconds = int64_t{10} * 365 * 24 * 3600;

template <Duration NodeConfig::* kField>
Result<void> SetDuration(NodeConfig& config, std::string_view text) {
  FB_ASSIGN(const Duration duration, ParseDuration(text));
  if (duration > std::chrono::seconds(kLongestSeconds)) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is longer than ten years", text));
  }
  config.*kField = duration;
  return {};
}

/// Checked by whoever uses it.
template <std::string NodeConfig::* kField>
Result<void> SetText(NodeConfig& config, std::string_view text) {
  config.*kField = text == "none" ? "" : text;
  return {};
}

template <std::string NodeConfig::* kField>
Result<void> SetOptionalPath(NodeConfig& config, std::string_view text) {
  if (text.empty() || text == "none") return (config.*kField).clear(), Result<void>();
  FB_ASSIGN(config.*kField, ParsePath(text));
  return {};
}

/// The words of a choice, in the order of the values that they stand for.
template <auto kField, class Value, size_t kCount>
Result<void> SetChoice(NodeConfig& config, std::string_view text,
                       const std::pair<std::string_view, Value> (&choices)[kCount]) {
  std::string words;
  for (const auto& [word, value] : choices) {
    if (word == text) return config.*kField = value, Result<void>();
    words += fmt::format("{}{}", words.empty() ? "" : ", ", word);
  }
  return Fail(Code::kInvalidArgument, fmt::format("'{}' is none of {}", text, words));
}

Result<void> SetIo(NodeConfig& config, std::string_view text) {
  return SetChoice<&NodeConfig::io, IoChoice>(
      config, text,
      {{"auto", IoChoice::kAuto}, {"uring", IoChoice::kUring}, {"epoll", IoChoice::kEpoll}});
}

Result<void> SetLogLevel(NodeConfig& config, std::string_view text) {
  return SetChoice<&NodeConfig::log_level, LogLevel>(config, text,
                                                     {{"debug", LogLevel::kDebug},
                                                      {"info", LogLevel::kInfo},
                                                      {"warning", LogLevel::kWarning},
                                                      {"error", LogLevel::kError}});
}

Result<void> SetLogFormat(NodeConfig& config, std::string_view text) {
  return SetChoice<&NodeConfig::log_json, bool>(config, text, {{"text", false}, {"json", true}});
}

Result<void> SetCopies(NodeConfig& config, std::string_view text) {
  return SetChoice<&NodeConfig::local_copies, Copies>(
      config, text,
      {{"never", Copies::kNever}, {"hot", Copies::kHot}, {"always", Copies::kAlways}});
}

Result<void> SetPolicy(NodeConfig& config, std::string_view text) {
  if (std::ranges::find(PolicyNames(), text) == PolicyNames().end()) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is none of {}", text, fmt::join(PolicyNames(), ", ")));
  }
  config.policy = text;
  return {};
}

// -- Defaults that depend on the machine.

std::string DataHere(const Machine& machine) {
  if (machine.root) return "/var/lib/forebay";
  if (!machine.data_home.empty()) return machine.data_home + "/forebay";
  if (!machine.home.empty()) return machine.home + "/.local/share/forebay";
  return fmt::format("/tmp/forebay-{}", machine.uid);
}

std::string SocketHere(const Machine& machine) {
  if (machine.root) return "/run/forebay/forebay.sock";
  if (!machine.runtime_directory.empty()) return machine.runtime_directory + "/forebay.sock";
  return fmt::format("/tmp/forebay-{}/forebay.sock", machine.uid);
}

/// More carry no more than networks do; who reads through shared memory needs none of them.
constexpr uint64_t kMostLoopsByDefault = 8;

std::string LoopsHere(const Machine& machine) {
  return fmt::format("{}", std::clamp<uint64_t>(machine.cores, 1, kMostLoopsByDefault));
}

// -- What shares came to.

std::string DramBytes(const NodeConfig& config) {
  return FormatSize(config.dram_bytes);
}
std::string FillBudget(const NodeConfig& config) {
  return FormatSize(config.fill_budget_bytes);
}
std::string Backlog(const NodeConfig& config) {
  return FormatSize(config.flush_backlog_bytes);
}

std::string DiskSizes(const NodeConfig& config) {
  std::string sizes;
  for (const DiskConfig& disk : config.disks) {
    sizes += fmt::format("{}{} in {}", sizes.empty() ? "" : ", ", FormatSize(disk.size_bytes),
                         disk.directory);
  }
  return sizes.empty() ? "no disk" : sizes;
}

using C = NodeConfig;
constexpr std::string_view kPlaces = "Places", kDoors = "Doors", kSpace = "Space", kCell = "Cell",
                           kBudgets = "Budgets", kRunning = "Running";

constexpr Setting kSettings[] = {
    {.name = "data",
     .group = kPlaces,
     .type = "path",
     .fallback = "/var/lib/forebay as root, otherwise $XDG_DATA_HOME/forebay",
     .help = "the node's own files: its registry, and the disk tier unless `disk` says otherwise",
     .set = SetParsed<&C::data_directory, ParsePath>,
     .fallback_here = DataHere},
    {.name = "tokens",
     .group = kPlaces,
     .type = "path or none",
     .fallback = "none",
     .help =
         "who may come by TCP: lines \"NAME SECRET-IN-HEX /ATTACHMENT:RIGHTS\"; read again when "
         "it changes",
     .set = SetOptionalPath<&C::tokens_file>},
    {.name = "s3_keys",
     .group = kPlaces,
     .type = "path or none",
     .fallback = "none",
     .help =
         "who may come by S3: lines \"ACCESS-KEY SECRET /ATTACHMENT:RIGHTS\"; read again when it "
         "changes",
     .set = SetOptionalPath<&C::s3_keys_file>},
    {.name = "s3_tls_cert",
     .group = kPlaces,
     .type = "path or none",
     .fallback = "none",
     .help = "PEM: the certificate that the S3 API shows, those between it and its authority "
             "behind it; "
             "it speaks TLS then, and nothing else. Read again when it changes",
     .set = SetOptionalPath<&C::s3_tls_cert>},
    {.name = "s3_tls_key",
     .group = kPlaces,
     .type = "path or none",
     .fallback = "none",
     .help =
         "PEM: the key of `s3_tls_cert`, readable by the node alone; read again when it changes",
     .set = SetOptionalPath<&C::s3_tls_key>},

    {.name = "listen",
     .group = kDoors,
     .type = "HOST:PORT or none",
     .fallback = "127.0.0.1:7400",
     .help = "the binary protocol by TCP; beyond this machine only with `tokens`",
     .set = SetParsed<&C::listen, ParseListen>},
    {.name = "socket",
     .group = kDoors,
     .type = "path or none",
     .fallback = "/run/forebay/forebay.sock as root, otherwise $XDG_RUNTIME_DIR/forebay.sock",
     .help = "the binary protocol and shared memory for the processes of this machine",
     .set = SetOptionalPath<&C::socket>,
     .fallback_here = SocketHere},
    {.name = "http",
     .group = kDoors,
     .type = "HOST:PORT or none",
     .fallback = "127.0.0.1:7490",
     .help = "metrics, health and status; figures only, no names and no bytes of objects",
     .set = SetParsed<&C::http, ParseListen>},
    {.name = "s3",
     .group = kDoors,
     .type = "HOST:PORT or none",
     .fallback = "127.0.0.1:7480",
     .help = "the S3 API, each attachment a bucket; beyond this machine only with `s3_keys`",
     .set = SetParsed<&C::s3, ParseListen>},
    {.name = "s3_bucket_root",
     .group = kDoors,
     .type = "URL of an origin, or none",
     .fallback = "none",
     .help = "CreateBucket attaches NAME to this origin's /NAME; without one it is refused",
     .set = SetParsed<&C::s3_bucket_root, ParseOrigin>},
    {.name = "s3_domain",
     .group = kDoors,
     .type = "name of a host or none",
     .fallback = "none",
     .help = "BUCKET.NAME is then a host that names a bucket; paths do so always",
     .set = SetParsed<&C::s3_domain, ParseHostName>},
    {.name = "s3_region",
     .group = kDoors,
     .type = "name",
     .fallback = "us-east-1",
     .help = "the region that signatures of S3 requests must name",
     .set = SetParsed<&C::s3_region, ParseRegion>},
    {.name = "s3_connections",
     .group = kDoors,
     .type = "count",
     .fallback = "4096",
     .help = "of the S3 API at one time; more get 503",
     .form = ValueForm::kCount,
     .set = SetCount<&C::s3_connections, 1, 1'000'000>},
    {.name = "connections",
     .group = kDoors,
     .type = "count",
     .fallback = "10000",
     .help = "of the binary protocol at one time; more are refused",
     .form = ValueForm::kCount,
     .set = SetCount<&C::connections, 1, 1'000'000>},
    {.name = "loops",
     .group = kDoors,
     .type = "count",
     .fallback = "the cores that the node may use, at most 8",
     .help =
         "threads that serve the binary protocol by TCP and S3, and fetch from object stores and "
         "peers; the first also does everything else",
     .form = ValueForm::kCount,
     .set = SetCount<&C::loops, 1, 256>,
     .fallback_here = LoopsHere},
    {.name = "http_connections",
     .group = kDoors,
     .type = "count",
     .fallback = "64",
     .help = "of the HTTP door at one time; more get 503",
     .form = ValueForm::kCount,
     .set = SetCount<&C::http_connections, 1, 100'000>},

    {.name = "cell",
     .group = kCell,
     .type = "etcd://HOST,HOST,HOST/NAME or none",
     .fallback = "none",
     .help = "the etcd that the nodes of one cell meet in, and the cell's name",
     .set = SetText<&C::cell>},
    {.name = "cell_secret_file",
     .group = kCell,
     .type = "path or none",
     .fallback = "none",
     .help =
         "what the nodes of the cell know and nobody else: one line, from `openssl rand -hex 32`",
     .set = SetOptionalPath<&C::cell_secret_file>},
    {.name = "name",
     .group = kCell,
     .type = "name or none",
     .fallback = "none",
     .help =
         "of this node in its cell, by itself the machine's; to keep it over restarts is to keep "
         "what it owns",
     .set = SetText<&C::name>},
    {.name = "advertise",
     .group = kCell,
     .type = "HOST:PORT or none",
     .fallback = "none",
     .help = "where the other nodes of the cell reach this one, by itself where it listens",
     .set = SetParsed<&C::advertise, ParseListen>},
    {.name = "region",
     .group = kCell,
     .type = "name or none",
     .fallback = "none",
     .help = "of this node; copies avoid sharing a zone",
     .set = SetText<&C::region>},
    {.name = "zone",
     .group = kCell,
     .type = "name or none",
     .fallback = "none",
     .help = "within the region: what fails together",
     .set = SetText<&C::zone>},
    {.name = "weight",
     .group = kCell,
     .type = "percent",
     .fallback = "100",
     .help = "how much this node owns beside others; 0: it reads and owns nothing",
     .form = ValueForm::kCount,
     .set = SetCount<&C::weight, 0, 100>},

    {.name = "dram",
     .group = kSpace,
     .type = "size or share of the machine's memory",
     .fallback = "25%",
     .help = "memory for cached blocks",
     .set = SetParsed<&C::dram, ParseAmount>,
     .came_to = DramBytes},
    {.name = "disk",
     .group = kSpace,
     .type = "list of [DIR=]SIZE, where SIZE may be a share of what is free; 0 for none",
     .fallback = "50%",
     .help = "disk tiers; without DIR it lies in the data directory",
     .form = ValueForm::kList,
     .set = SetParsed<&C::disks, ParseDisks>,
     .came_to = DiskSizes},
    {.name = "metadata",
     .group = kSpace,
     .type = "size",
     .fallback = "256MiB",
     .help = "memory for names, listings and what is known not to exist",
     .set = SetSize<&C::metadata_bytes, kMiB, kTiB>},
    {.name = "checksums",
     .group = kSpace,
     .type = "size",
     .fallback = "64MiB",
     .help = "memory for the checksums of blocks that are on disk only",
     .set = SetSize<&C::checksum_bytes, 64 * kKiB, kTiB>},
    {.name = "policy",
     .group = kSpace,
     .type = "adaptive, pin, lru, fifo, sieve, s3fifo or arc",
     .fallback = "adaptive",
     .help = "what leaves first; `forebay policy replay` compares them on a trace",
     .set = SetPolicy},
    {.name = "local_copies",
     .group = kSpace,
     .type = "never, hot or always",
     .fallback = "hot",
     .help = "in a cell, which copies of what other nodes own stay when memory is full: hot are "
             "those that are wanted again soon after they have gone; always: on the disks, too",
     .set = SetCopies},
    {.name = "local_copies_share",
     .group = kSpace,
     .type = "percent",
     .fallback = "25",
     .help = "of `dram` for copies that stay, at most",
     .form = ValueForm::kCount,
     .set = SetCount<&C::local_copies_share, 0, 100>},

    {.name = "fill_budget",
     .group = kBudgets,
     .type = "size",
     .fallback = "512MiB",
     .help = "bytes on their way from all origins together; by itself at most half of `dram`",
     .set = SetSize<&C::fill_budget_bytes, kMiB, kTiB>,
     .came_to = FillBudget},
    {.name = "origin_requests",
     .group = kBudgets,
     .type = "count",
     .fallback = "256",
     .help = "requests to origins in progress at one time; of the loads that begin here so many "
             "in the whole cell",
     .form = ValueForm::kCount,
     .set = SetCount<&C::origin_requests, 1, 100'000>},
    {.name = "origin_range",
     .group = kBudgets,
     .type = "size",
     .fallback = "32MiB",
     .help = "the largest range that one request asks an origin for",
     .set = SetSize<&C::origin_range_bytes, kMiB, kGiB>},
    {.name = "random_fill",
     .group = kBudgets,
     .type = "size",
     .fallback = "64KiB",
     .help = "what a read out of order brings in, at least",
     .set = SetSize<&C::random_fill_bytes, 4 * kKiB, 16 * kMiB>},
    {.name = "waiting",
     .group = kBudgets,
     .type = "count",
     .fallback = "16384",
     .help = "requests that may wait for a fill; more are refused as overloaded",
     .form = ValueForm::kCount,
     .set = SetCount<&C::waiting, 1, 10'000'000>},
    {.name = "flush_backlog",
     .group = kBudgets,
     .type = "size",
     .fallback = "256MiB",
     .help = "bytes that may wait for a disk; what comes meanwhile stays in memory only. By itself "
             "at most half of `dram`",
     .set = SetSize<&C::flush_backlog_bytes, kMiB, kTiB>,
     .came_to = Backlog},
    {.name = "flush_delay",
     .group = kBudgets,
     .type = "duration",
     .fallback = "200ms",
     .help = "how long a block may wait for others to share a write with",
     .set = SetDuration<&C::flush_delay>},
    {.name = "negative_ttl",
     .group = kBudgets,
     .type = "duration",
     .fallback = "5s",
     .help = "how long a name that does not exist is believed not to",
     .set = SetDuration<&C::negative_ttl>},

    {.name = "log_level",
     .group = kRunning,
     .type = "debug, info, warning or error",
     .fallback = "info",
     .help = "the least that is worth a line on standard error",
     .set = SetLogLevel},
    {.name = "log_format",
     .group = kRunning,
     .type = "text or json",
     .fallback = "text",
     .help = "one line an event, for people or for machines",
     .set = SetLogFormat},
    {.name = "slow_request",
     .group = kRunning,
     .type = "duration",
     .fallback = "1s",
     .help = "a request that takes longer is logged with where its time went",
     .set = SetDuration<&C::slow_request>},
    {.name = "grace",
     .group = kRunning,
     .type = "duration",
     .fallback = "10s",
     .help = "what is in progress when the node is stopped may take so long to end",
     .set = SetDuration<&C::grace>},
    {.name = "io",
     .group = kRunning,
     .type = "auto, uring or epoll",
     .fallback = "auto",
     .help = "how to reach the kernel; auto is io_uring, or epoll where that is refused",
     .set = SetIo},
};

/// How many letters differ, are missing, are too many, or stand in the order of their neighbours.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string Setting::flag() const {
  std::string flag = "--" + std::string(name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string Setting::variable() const {
  std::string variable = "FOREBAY_" + std::string(name);
  for (char& c : variable) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return variable;
}

std::span<const Setting> Settings() {
  return kSettings;
}

const Setting* FindSetting(std::string_view name) {
  const auto found = std::ranges::find(kSettings, name, &Setting::name);
  return found == std::end(kSettings) ? nullptr : &*found;
}

std::string_view NearestSetting(std::string_view name) {
  constexpr size_t kMaxNameBytes = 64;  // longer ones are no slip of a finger
  if (name.size() > kMaxNameBytes) return "";
  std::string_view nearest;
  size_t best = std::min<size_t>(3, name.size());
  for (const Setting& setting : kSettings) {
    const size_t distance = EditDistance(name, setting.name);
    if (distance < best) {
      best = distance;
      nearest = setting.name;
    }
  }
  return nearest;
}

}  // namespace forebay::app
