#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "sim/world.h"
#include "src/front/observe/pages.h"

namespace forebay::observe {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ObserveTest : public testing::Test {
 protected:
  Observed Make() {
    return {.version = "1.2",
            .counters = &counters_,
            .store =
                [] {
                  StoreStats stats;
                  stats.blocks = 5;
                  DiskStats disk;
                  disk.directory = "/d\"\\";
                  disk.size_bytes = 77;
                  stats.disks = {disk, disk};
                  return stats;
                },
            .ready = [this] { return ready_; },
            .process = [] { return ProcessFigures{.rss_bytes = 4096}; }};
  }

  Counters counters_;
  bool ready_ = true;
};

TEST_F(ObserveTest, EachGroupStandsTogetherAndEachPathOnce) {
  std::set<std::string_view> groups, paths;
  std::string_view group;
  for (const Figure& figure : ListFigures(Make())) {
    EXPECT_TRUE(paths.insert(figure.path).second) << figure.path;
    const std::string_view its = figure.path.substr(0, figure.path.find('.'));
    if (its != group) EXPECT_TRUE(groups.insert(its).second) << figure.path;
    group = its;
  }
}

TEST_F(ObserveTest, TheStatusIsNested) {
  counters_.origin.requests.Add(3);
  counters_.read.bytes.Add(10);
  counters_.read.local_bytes.Add(5);
  const std::string json = StatusJson(Make());
  EXPECT_THAT(json, StartsWith("{\n  \"version\": \"1.2\",\n  \"ready\": true,\n"
                               "  \"origin\": {\"requests\": 3, \"bytes\": 0,"));
  EXPECT_THAT(json, HasSubstr("\"read\": {\"requests\": 0, \"bytes\": 15, "));
  EXPECT_THAT(json, HasSubstr("\"blocks\": {\"count\": 5}"));
  EXPECT_THAT(json, HasSubstr("\"rss_bytes\": 4096}"));
  EXPECT_THAT(json, HasSubstr("{\"directory\": \"/d\\\"\\\\\", \"alive\": true"));
  EXPECT_EQ(std::ranges::count(json, '{'), std::ranges::count(json, '}'));
}

TEST_F(ObserveTest, EveryMetricSaysWhatItIsOnceAndHasAValue) {
  counters_.read.latency.Add(std::chrono::microseconds(20));
  counters_.read.latency.Add(std::chrono::seconds(100));
  const std::string text = MetricsText(Make());
  EXPECT_THAT(text, HasSubstr("# TYPE forebay_origin_requests_total counter\n"
                              "forebay_origin_requests_total 0\n"));
  EXPECT_THAT(text, HasSubstr("forebay_read_seconds_bucket{le=\"1e-05\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("forebay_read_seconds_bucket{le=\"3e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("forebay_read_seconds_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("forebay_read_seconds_sum 100.00002\nforebay_read_seconds_count 2"));
  EXPECT_THAT(text, HasSubstr("forebay_disk_size_bytes{directory=\"/d\\\"\\\\\"} 77\n"));
  std::set<std::string> typed;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(typed.insert(name).second) << line;
    } else if (!line.starts_with("#")) {
      EXPECT_THAT(line, testing::MatchesRegex("forebay_[a-z_]+(\\{.*\\})? [0-9.e+-]+"));
    }
  }
}

TEST_F(ObserveTest, ThePageInTheDocsNamesEveryFigure) {
  const std::ifstream file(FOREBAY_STATUS_PAGE);
  std::stringstream page;
  page << file.rdbuf();
  for (const Figure& figure : ListFigures(Make())) {
    const std::string row =
        fmt::format("| `{}` | {} | {} |", figure.path,
                    figure.kind == FigureKind::kCounter ? "counter" : "gauge", figure.help);
    EXPECT_THAT(page.str(), HasSubstr(row)) << "docs/STATUS_JSON.md";
  }
}

Task<std::string> Ask(Env& server_env, Env& client_env, http::HttpService& service,
                      std::string request) {
  auto listener = server_env.net.Listen("server:0").value();
  CancelSource stop;
  http::HttpServer server(server_env, {}, service);
  TaskGroup group(server_env.executor);
  group.Spawn(server.Run(*listener, stop.token()));
  auto client = (co_await client_env.net.Connect(listener->address(), {})).value();
  request += " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const Bytes parts[] = {AsBytes(request)};
  EXPECT_TRUE(co_await client->Send(parts, {}));
  std::string answer;
  std::byte piece[512];
  for (size_t size = 1; size > 0;) {
    size = (co_await client->Recv(piece, {})).value_or(0);
    answer += AsText(Bytes(piece).first(size));
  }
  stop.Cancel();
  co_await group.Join();
  co_return answer;
}

TEST_F(ObserveTest, ThePagesAnswer) {
  sim::World world(3);
  sim::Node& server = world.AddNode("server");
  sim::Node& client = world.AddNode("client");
  Pages pages(Make());
  const auto ask = [&](std::string request) {
    return world.Run(Ask(server.env(), client.env(), pages, std::move(request)));
  };
  EXPECT_THAT(ask("GET /metrics"), HasSubstr("forebay_blocks_count 5\n"));
  EXPECT_THAT(ask("GET /metrics?x=1"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /status"), HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /readyz"), StartsWith("HTTP/1.1 200 "));
  ready_ = false;
  EXPECT_THAT(ask("GET /readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /nothing"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("DELETE /metrics"), HasSubstr("Allow: GET, HEAD\r\n"));
}

}  // namespace
}  // namespace forebay::observe
