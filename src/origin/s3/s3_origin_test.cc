// The driver in simulated worlds, against a store in memory that checks signatures.
#include "src/origin/s3/s3_origin.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/origin/testing/origin_contract.h"
#include "src/origin/testing/s3_double.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;
using sim::HttpFault;

constexpr const char* kUrl = "s3://bucket/some/prefix?endpoint=https://s3.test";

http_origin::DriverParts PartsWithKeys() {
  http_origin::DriverParts parts;
  parts.surroundings.variables = {{"AWS_ACCESS_KEY_ID", "AKID"},
                                  {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
  return parts;
}

/// A store, and an origin over it whose uploads go in parts early.
class S3Harness final : public OriginHarness {
 public:
  explicit S3Harness(const std::string& url = kUrl, S3DoubleOptions options = {},
                     http_origin::DriverParts parts = PartsWithKeys(), sim::WorldOptions world = {})
      : world_(1, std::move(world)), store_(WithClock(std::move(options))) {
    store_.SetAccounts({{"AKID", {.secret = "hunter2", .token = ""}}});
    server_ = &world_.AddHttpServer("https://s3.test", store_.Handler());
    world_.AddHttpServer("https://bucket.s3.test", store_.Handler());
    origin_ = S3Origin::Create(OriginUrl::Parse(url).value(), parts,
                               {.part_bytes = 100'000, .memory_bytes = 300'000})
                  .value();
  }

  Env& env() override { return world_.env(); }
  S3Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  sim::World& world() { return world_; }
  S3Double& store() { return store_; }
  sim::HttpServer& server() { return *server_; }

 private:
  S3DoubleOptions WithClock(S3DoubleOptions options) {
    options.now = [this] { return world_.env().clock.WallNanos(); };
    return options;
  }

  sim::World world_;
  S3Double store_;
  sim::HttpServer* server_;
  std::unique_ptr<S3Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(S3, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<S3Harness>();
                         }));
INSTANTIATE_TEST_SUITE_P(S3WholeBucket, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<S3Harness>(
                               "s3://bucket?endpoint=https://s3.test&style=virtual",
                               S3DoubleOptions{.knows_conditional_delete = false});
                         }));

}  // namespace
}  // namespace forebay
