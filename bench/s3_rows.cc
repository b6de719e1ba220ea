// The S3 door against what else serves files by HTTP: nginx, and an S3 server. Each server has
// kServerCore for itself, the client kClientCore.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "bench/child.h"
#include "bench/http_load.h"
#include "bench/node_fixture.h"
#include "bench/origin_fixture.h"
#include "bench/peers/nginx.h"
#include "bench/rows.h"
#include "bench/slow_clients.h"
#include "src/base/units.h"
#include "src/origin/s3/signing.h"

namespace forebay::bench {
namespace {

constexpr int kFewConnections = 8, kManyConnections = 64;
constexpr int kLargeObjects = 8, kSmallObjects = 1000;
constexpr uint64_t kLargeBytes = 64 * kMiB;
constexpr int kLargeRequests = 32;  // a run
constexpr int kWrkSeconds = 2;
constexpr double kGigabyte = 1e9;

struct Kind {
  const char* directory;
  int count;
  uint64_t bytes;
};
constexpr Kind kLarge = {"large", kLargeObjects, kLargeBytes};
constexpr Kind kMiddle = {"middle", kSmallObjects, 100 * kKiB};
constexpr Kind kSmall = {"small", kSmallObjects, 4 * kKiB};

Result<void> WriteObjects(const std::string& root) {
  for (const Kind& kind : {kLarge, kMiddle, kSmall}) {
    std::filesystem::create_directories(fmt::format("{}/{}", root, kind.directory));
    for (int n = 0; n < kind.count; ++n) {
      FB_TRY(WriteFile(fmt::format("{}/{}/{}", root, kind.directory, n), kind.bytes));
    }
  }
  return {};
}

/// With the objects that it makes in `origin`, all in memory.
Result<std::unique_ptr<RunningNode>> StartWithObjects(const std::string& directory,
                                                      const std::string& origin) {
  FB_TRY(WriteObjects(origin));
  FB_ASSIGN(
      auto node,
      RunningNode::Start(directory,
                         {.origin = origin, .dram = "2GiB", .pinned = true, .s3 = "127.0.0.1:0"}));
  FB_TRY(node->Command("load /data"));
  return node;
}

std::vector<std::string> PathsOf(std::string_view bucket, const Kind& kind) {
  std::vector<std::string> paths;
  for (int n = 0; n < kind.count; ++n) {
    paths.push_back(fmt::format("{}/{}/{}", bucket, kind.directory, n));
  }
  return paths;
}

/// A server that is measured, and the process that pays for it.
struct Served {
  HttpTarget target;
  int pid = 0;

  Result<double> Rate() const {
    FB_ASSIGN(const auto result, GetMany(target, kFewConnections, kLargeRequests));
    return static_cast<double>(result.bytes) / result.seconds;
  }
  /// Seconds of a core for a gigabyte.
  Result<double> Cost() const {
    FB_ASSIGN(const double before, CpuSecondsOf(pid));
    FB_ASSIGN(const auto result, GetMany(target, kFewConnections, kLargeRequests));
    FB_ASSIGN(const double after, CpuSecondsOf(pid));
    return (after - before) / (static_cast<double>(result.bytes) / kGigabyte);
  }
};

Result<double> Median3(const Measure& measure) {
  std::vector<double> values;
  for (int i = 0; i < 3; ++i) {
    FB_ASSIGN(const double value, measure());
    values.push_back(value);
  }
  return Median(std::move(values));
}

// -- Against nginx

class NginxRows {
 public:
  static Result<std::unique_ptr<NginxRows>> Make() {
    auto made = std::unique_ptr<NginxRows>(new NginxRows);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string& own = made->place_->path();
    const std::string root = own + "/root";
    FB_ASSIGN(made->node_, StartWithObjects(own, root + "/data"));
    for (const bool sendfile : {true, false}) {
      FB_ASSIGN(auto nginx, Nginx::Start({.root = root,
                                          .directory = own + (sendfile ? "/on" : "/off"),
                                          .sendfile = sendfile}));
      made->nginx_.push_back(std::move(nginx));
    }
    return made;
  }

  void Rows(Report& report) {
    LargeRows(report);
    const std::string middle = "s3.nginx.get_100k", small = "s3.nginx.get_4k";
    if (report.Wants(middle)) {
      report.Compare(
          middle, "gets/s", Goal::kAtLeast, 0.7, [&] { return Gets(OursOf(kMiddle)); },
          [&] { return BestGets(kMiddle); });
    }
    if (!report.Wants(small)) return;
    const auto ours = Median3([&] { return Gets(OursOf(kSmall)); });
    const auto theirs = Median3([&] { return BestGets(kSmall); });
    if (!ours || !theirs) return report.Missing(small, (ours ? theirs : ours).error().ToString());
    report.Info(small, "x nginx", *ours / *theirs,
                fmt::format("{:.0f} against {:.0f} gets/s", *ours, *theirs));
  }

 private:
  NginxRows() = default;

  Served OursOf(const Kind& kind) const {
    return {{node_->s3(), PathsOf("/data", kind)}, node_->pid()};
  }
  static Served Theirs(const Nginx& nginx, const Kind& kind) {
    return {{nginx.address(), PathsOf("/data", kind)}, nginx.pid()};
  }
  Result<double> Gets(const Served& served) const {
    return WrkRate(place_->path(), served.target, kManyConnections, kWrkSeconds);
  }
  Result<double> BestGets(const Kind& kind) const {
    FB_ASSIGN(const double on, Gets(Theirs(*nginx_[0], kind)));
    FB_ASSIGN(const double off, Gets(Theirs(*nginx_[1], kind)));
    return std::max(on, off);
  }

  void LargeRows(Report& report) {
    const std::string row = "s3.nginx.get_64m";
    const Served ours = OursOf(kLarge);
    const Served on = Theirs(*nginx_[0], kLarge), off = Theirs(*nginx_[1], kLarge);
    report.Compare(
        row, "B/s", Goal::kAtLeast, 0.8, [&] { return ours.Rate(); },
        [&]() -> Result<double> {
          FB_ASSIGN(const double with, on.Rate());
          FB_ASSIGN(const double without, off.Rate());
          return std::max(with, without);
        });
    // Which of them is the faster is a matter of the machine; what they cost differs much.
    report.Compare(
        row + ".cpu_sendfile", "s/GB", Goal::kAtMost, 1.3, [&] { return ours.Cost(); },
        [&] { return on.Cost(); });
    report.Compare(
        row + ".cpu_no_sendfile", "s/GB", Goal::kAtMost, 1.3, [&] { return ours.Cost(); },
        [&] { return off.Cost(); });
  }

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
  std::vector<std::unique_ptr<Nginx>> nginx_;  // with sendfile, without
};

// -- Against nginx, both by TLS

/// Gets a second, and what they cost, of a server that is measured by wrk.
struct Gotten {
  double rate = 0;
  double cpu = 0;  // seconds of a core for a gigabyte
};

Result<Gotten> GetByWrk(const std::string& directory, const Served& served) {
  FB_ASSIGN(const double before, CpuSecondsOf(served.pid));
  FB_ASSIGN(const double rate, WrkRate(directory, served.target, kManyConnections, kWrkSeconds));
  FB_ASSIGN(const double after, CpuSecondsOf(served.pid));
  const double gigabytes = rate * kWrkSeconds * static_cast<double>(kMiddle.bytes) / kGigabyte;
  return Gotten{.rate = rate, .cpu = (after - before) / gigabytes};
}

Result<void> TlsRow(Report& report, const std::string& row) {
  FB_ASSIGN(const DiskPlace place, DiskPlace::Make());
  const std::string& own = place.path();
  const std::string root = own + "/root", tls = own + "/tls";
  FB_TRY(MakeCertificate(tls + ".pem", tls + ".key"));
  FB_TRY(WriteObjects(root + "/data"));
  FB_ASSIGN(const auto node, RunningNode::Start(own, {.origin = root + "/data",
                                                      .dram = "2GiB",
                                                      .pinned = true,
                                                      .s3 = "127.0.0.1:0",
                                                      .s3_tls = tls}));
  FB_TRY(node->Command("load /data"));
  FB_ASSIGN(const auto nginx,
            Nginx::Start({.root = root, .directory = own + "/nginx", .tls = tls}));
  const std::vector<std::string> paths = PathsOf("/data", kMiddle);
  const Served ours{{node->s3(), paths, true}, node->pid()};
  const Served theirs{{nginx->address(), paths, true}, nginx->pid()};
  std::vector<double> rates, costs;
  for (int i = 0; i < 3; ++i) {
    FB_ASSIGN(const Gotten mine, GetByWrk(own, ours));
    FB_ASSIGN(const Gotten other, GetByWrk(own, theirs));
    rates.push_back(mine.rate / other.rate);
    costs.push_back(mine.cpu / other.cpu);
  }
  report.Info(row, "x nginx", Median(std::move(rates)), "gets/s by TLS");
  report.Info(row + ".cpu", "x nginx", Median(std::move(costs)), "seconds of a core for a GB");
  return {};
}

// -- Against a server of S3 on the same files

/// Who may ask is a matter of the query: both sides check a signature for each request.
std::string Presigned(const std::string& host, const std::string& path) {
  const int64_t now_s = static_cast<int64_t>(time(nullptr));
  const std::string moment = http_origin::BasicIsoDate(now_s * 1'000'000'000);
  const std::string day = moment.substr(0, 8), region = "us-east-1";
  const std::string user = CurlUser();
  const std::string key = user.substr(0, user.find(':')), secret = user.substr(key.size() + 1);
  const std::string scope = s3::ScopeOf(day, region);
  const std::string query = s3::CanonicalQuery(
      {{"X-Amz-Algorithm", std::string(s3::kAlgorithm)},
       {"X-Amz-Credential", http_origin::PercentEncode(key + "/" + scope, false)},
       {"X-Amz-Date", moment},
       {"X-Amz-Expires", "86400"},
       {"X-Amz-SignedHeaders", "host"}});
  const std::string canonical =
      fmt::format("GET\n{}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", path, query, host);
  const std::string signature =
      s3::Sign(s3::SigningKeyOf(secret, day, region), s3::TextToSign(canonical, moment, scope));
  return fmt::format("{}?{}&X-Amz-Signature={}", path, query, signature);
}

Served Signed(const std::string& address, std::string_view bucket, const Kind& kind, int pid) {
  Served served{{address, {}}, pid};
  for (const std::string& path : PathsOf(bucket, kind)) {
    served.target.paths.push_back(Presigned(address, path));
  }
  return served;
}

class GatewayRows {
 public:
  static Result<std::unique_ptr<GatewayRows>> Make() {
    auto made = std::unique_ptr<GatewayRows>(new GatewayRows);
    PinTo(kServerCore);  // what is started now stays there
    auto server = FastServer::Start(FastServer::Kind::kGateway);
    Unpin();
    if (!server) return Fail(server.error());
    made->server_ = *std::move(server);
    FB_TRY(WriteObjects(made->server_->bucket()));
    const std::string& own = made->server_->directory();
    const std::string keys = own + "/keys", user = CurlUser();
    std::ofstream(keys) << fmt::format("{} {} /data:r\n", user.substr(0, user.find(':')),
                                       user.substr(user.find(':') + 1));
    FB_ASSIGN(made->node_, RunningNode::Start(own, {.origin = made->server_->bucket(),
                                                    .dram = "2GiB",
                                                    .pinned = true,
                                                    .s3 = "127.0.0.1:0",
                                                    .s3_keys = keys}));
    FB_TRY(made->node_->Command("load /data"));
    return made;
  }

  void Rows(Report& report) {
    const auto gets = [this](const Served& served) {
      return WrkRate(server_->directory(), served.target, kManyConnections, kWrkSeconds);
    };
    report.Compare(
        "s3.gateway.get_100k", "gets/s", Goal::kAtLeast, 2, [&] { return gets(Ours(kMiddle)); },
        [&] { return gets(Theirs(kMiddle)); });
    report.Compare(
        "s3.gateway.get_64m.cpu", "s/GB", Goal::kAtMost, 0.6, [&] { return Ours(kLarge).Cost(); },
        [&] { return Theirs(kLarge).Cost(); });
  }

 private:
  GatewayRows() = default;
  Served Ours(const Kind& kind) const { return Signed(node_->s3(), "/data", kind, node_->pid()); }
  Served Theirs(const Kind& kind) const {
    return Signed(server_->address(), "/bucket", kind, server_->pid());
  }

  std::unique_ptr<FastServer> server_;
  std::unique_ptr<RunningNode> node_;
};

// -- With clients that are slow

class SlowRows {
 public:
  static Result<std::unique_ptr<SlowRows>> Make() {
    auto made = std::unique_ptr<SlowRows>(new SlowRows);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string& own = made->place_->path();
    const std::string root = own + "/root";
    FB_ASSIGN(made->node_, StartWithObjects(own, root + "/data"));
    return made;
  }

  /// The healthy ask for 100 KiB, one after the other on each of a few connections.
  void Rows(Report& report) {
    const HttpTarget healthy{node_->s3(), PathsOf("/data", kMiddle)};
    const auto before = RssOf(node_->pid());
    Result<uint64_t> with = before;
    report.Compare(
        kSlowRow, "s (p99)", Goal::kAtMost, 1.5,
        [&]() -> Result<double> {
          FB_ASSIGN(const auto slow,
                    SlowClients::Start(node_->s3(), {.path = PathsOf("/data", kLarge)[0]}));
          FB_ASSIGN(const double p99, GetP99(healthy, kFewConnections, kHealthyRequests));
          with = RssOf(node_->pid());
          return p99;
        },
        [&] { return GetP99(healthy, kFewConnections, kHealthyRequests); });
    if (!before || !with || !report.Wants(kSlowRow)) return;
    const auto grown = static_cast<double>(*with) - static_cast<double>(*before);
    report.Info(
        fmt::format("{}.memory", kSlowRow), "B a connection", grown / kSlowConnections,
        fmt::format("resident: {} before, {} with them", FormatSize(*before), FormatSize(*with)));
  }

  static constexpr const char* kSlowRow = "s3.slow_clients";

 private:
  static constexpr int kHealthyRequests = 8000;  // a run
  static constexpr double kSlowConnections = 2200;
  SlowRows() = default;

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
};

}  // namespace

void S3Rows(Report& report) {
  const auto wants = [&](std::initializer_list<const char*> names) {
    return std::ranges::any_of(names, [&](const char* name) { return report.Wants(name); });
  };
  if (wants({"s3.nginx.get_64m", "s3.nginx.get_64m.cpu_sendfile",
             "s3.nginx.get_64m.cpu_no_sendfile", "s3.nginx.get_100k", "s3.nginx.get_4k"})) {
    if (const auto rows = NginxRows::Make(); rows) {
      (*rows)->Rows(report);
    } else {
      report.Missing("s3.nginx", rows.error().ToString());
    }
  }
  if (report.Wants(SlowRows::kSlowRow)) {
    if (const auto rows = SlowRows::Make(); rows) {
      (*rows)->Rows(report);
    } else {
      report.Missing(SlowRows::kSlowRow, rows.error().ToString());
    }
  }
  const std::string tls = "s3.nginx_tls.get_100k";
  if (report.Wants(tls)) {
    if (const auto done = TlsRow(report, tls); !done) report.Missing(tls, done.error().ToString());
  }
  if (wants({"s3.gateway.get_100k", "s3.gateway.get_64m.cpu"})) {
    if (const auto rows = GatewayRows::Make(); rows) {
      (*rows)->Rows(report);
    } else {
      report.Missing("s3.gateway", rows.error().ToString());
    }
  }
}

}  // namespace forebay::bench
