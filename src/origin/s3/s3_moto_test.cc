// The driver against moto's server, which knows the semantics of S3 (and no signatures).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/origin/s3/s3_origin.h"
#include "src/origin/testing/origin_contract.h"
#include "src/origin/testing/real_server.h"
#include "src/platform/linux/loop.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;

/// One server for all tests, ended with the program.
RealServer& Moto() {
  static const std::unique_ptr<RealServer> server = [] {
    auto started = RealServer::StartMoto();
    if (!started) {
      fmt::print(stderr, "{}\n", started.error().ToString());
      abort();
    }
    return std::move(*started);
  }();
  return *server;
}

Task<Result<int>> Ask(Env& env, std::string method, std::string url) {
  const HttpRequest request{
      .method = std::move(method), .url = std::move(url), .headers = {{"Content-Length", "0"}}};
  FB_CO_ASSIGN(const auto response, co_await env.http.Send(request, {}));
  co_return response->status();
}

Task<void> MakeBucket(Env& env, std::string url) {
  const auto status = co_await Ask(env, "PUT", std::move(url));
  EXPECT_EQ(status ? *status : 0, 200);
}

/// A bucket of its own.
class MotoHarness final : public OriginHarness {
 public:
  explicit MotoHarness(const std::string& prefix = "/some/prefix") {
    static int number = 0;
    bucket_ = fmt::format("bucket-{}", ++number);
    loop_->Run(MakeBucket(env(), fmt::format("{}/{}", Moto().url(), bucket_)));
    origin_ = Make(fmt::format("s3://{}{}", bucket_, prefix));
  }
  Env& env() override { return loop_->env(); }
  S3Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override {
    const std::string_view test = testing::UnitTest::GetInstance()->current_test_info()->name();
    if (test.starts_with("UploadsEnd")) {
      GTEST_SKIP() << "moto answers 500 where a part's upload has ended; S3 says NoSuchUpload";
    }
    loop_->Run(std::move(main));
  }
  const std::string& bucket() const { return bucket_; }

  std::unique_ptr<S3Origin> Make(std::string_view text) {
    http_origin::DriverParts parts;
    parts.surroundings.variables = {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "B"}};
    OriginUrl url = OriginUrl::Parse(text).value();
    url.parameters["endpoint"] = Moto().url();
    return S3Origin::Create(url, parts).value();
  }

 private:
  std::unique_ptr<Loop> loop_ = Loop::Create({}).value();
  std::string bucket_;
  std::unique_ptr<S3Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(Moto, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<MotoHarness>();
                         }));

}  // namespace
}  // namespace forebay
