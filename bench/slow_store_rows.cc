// The same reading in order from the servers that the tests use, which are slower than any client:
// what is left to show is that the node keeps them as busy as curl can.
#include <fmt/format.h>

#include <stdlib.h>

#include <algorithm>

#include "bench/origin_fixture.h"
#include "bench/rows.h"
#include "src/base/units.h"
#include "src/origin/azure/shared_key.h"
#include "src/origin/http/text.h"
#include "src/platform/linux/loop.h"

namespace forebay::bench {
namespace {

/// Less than the fast server's: both keep objects in memory, and moto reads all of one for a range.
constexpr uint64_t kBytes = 256 * kMiB;
constexpr double kTarget = 0.9;
constexpr const char* kKeyVariable = "BENCH_AZURITE_KEY";

struct SlowStore {
  std::unique_ptr<RealServer> server;
  std::string origin;  // for `forebay attach`
  std::string object;  // for curl
};

Task<Result<void>> Put(Env* env, HttpRequest request) {
  FB_CO_ASSIGN(const auto response, co_await env->http.Send(std::move(request), {}));
  if (response->status() / 100 == 2) co_return Result<void>();
  co_return Fail(Code::kInternal, fmt::format("a place to put objects: {}", response->status()));
}

Result<void> PutNow(HttpRequest request) {
  FB_ASSIGN(const auto loop, Loop::Create({}));
  return loop->Run(Put(&loop->env(), std::move(request)));
}

Result<SlowStore> Moto() {
  FB_ASSIGN(auto server, RealServer::StartMoto());
  const std::string url = server->url();
  FB_TRY(PutNow({.method = "PUT", .url = url + "/bucket"}));
  return SlowStore{.server = std::move(server),
                   .origin = fmt::format("s3://bucket?endpoint={}&credentials=anonymous", url),
                   .object = url + "/bucket/object"};
}

/// With a container that everybody may read, so that curl needs no proof; the node writes with one.
Result<SlowStore> Azurite() {
  FB_ASSIGN(auto server, RealServer::StartAzurite());
  HttpRequest request{.method = "PUT",
                      .url = server->url() + "/box?restype=container",
                      .headers = {{"Content-Length", "0"},
                                  {"x-ms-blob-public-access", "container"},
                                  {"x-ms-version", std::string(azure::kServiceVersion)}}};
  FB_ASSIGN(const std::string key, http_origin::FromBase64(kAzuriteKey));
  FB_ASSIGN(const auto loop, Loop::Create({}));
  azure::SignWithKey(request, kAzuriteAccount, key, loop->env().clock.WallNanos());
  FB_TRY(loop->Run(Put(&loop->env(), std::move(request))));
  setenv(kKeyVariable, kAzuriteKey, 1);
  const std::string url = server->url();
  return SlowStore{.server = std::move(server),
                   .origin = fmt::format("azure://{}/box?endpoint={}&credentials=env:{}",
                                         kAzuriteAccount, url, kKeyVariable),
                   .object = url + "/box/object"};
}

Result<double> NodeRate(const RunningNode& node) {
  FB_TRY(node.Command("evict /data"));
  FB_ASSIGN(const auto client, CClient::Connect(node.local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kMiB);
  const Stopwatch watch;
  for (uint64_t at = 0; at < kBytes; at += kMiB) {
    const int64_t got = forebay_read(file.get(), into.data(), kMiB, at);
    if (got != static_cast<int64_t>(kMiB)) return Fail(LastError(got));
  }
  return double{kBytes} / watch.Seconds();
}

Result<double> BestCurlRate(const std::string& url) {
  double best = 0;
  for (const uint64_t parallel : {1, 2, 4, 8, 16}) {
    std::string line;
    for (uint64_t n = 0; n < parallel; ++n) {
      line += fmt::format("curl -sS -f -r {}-{} -o /dev/null {} & p{}=$!; ", kBytes / parallel * n,
                          kBytes / parallel * (n + 1) - 1, url, n);
    }
    line += "true";
    for (uint64_t n = 0; n < parallel; ++n) line += fmt::format(" && wait $p{}", n);
    const Stopwatch watch;
    FB_TRY(RunShell(line));
    best = std::max(best, double{kBytes} / watch.Seconds());
  }
  return best;
}

Result<void> Sequential(Report& report, const std::string& row, Result<SlowStore> (*start)()) {
  FB_ASSIGN(const SlowStore store, start());
  FB_ASSIGN(const DiskPlace place, DiskPlace::Make());
  FB_TRY(WriteFile(place.path() + "/object", kBytes));
  FB_ASSIGN(const auto node,
            RunningNode::Start(place.path(), {.origin = store.origin, .dram = "1GiB"}));
  FB_TRY(node->Command(fmt::format("put {}/object /data/object", place.path())));
  report.Compare(
      row, "B/s", Goal::kAtLeast, kTarget, [&] { return NodeRate(*node); },
      [&] { return BestCurlRate(store.object); });
  return {};
}

}  // namespace

void SlowStoreRows(Report& report) {
  const std::pair<const char*, Result<SlowStore> (*)()> rows[] = {
      {"origin.azurite.sequential", Azurite}, {"origin.moto.sequential", Moto}};
  for (const auto& [row, start] : rows) {
    if (!report.Wants(row)) continue;
    if (const auto done = Sequential(report, row, start); !done) {
      report.Missing(row, done.error().ToString());
    }
  }
}

}  // namespace forebay::bench
