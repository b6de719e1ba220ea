// The registry on a real etcd.
#include <fmt/format.h>

#include "src/platform/linux/loop.h"
#include "src/registry/etcd/etcd_registry.h"
#include "src/registry/testing/real_etcd.h"
#include "src/registry/testing/registry_contract.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<RealEtcd> Started(RealEtcdOptions options = {}) {
  auto started = RealEtcd::Start(std::move(options));
  if (started) return std::move(*started);
  fmt::print(stderr, "{}\n", started.error().ToString());
  abort();
}

/// One for all tests that do it no harm, ended with the program.
RealEtcd& SharedEtcd() {
  static const std::unique_ptr<RealEtcd> etcd = Started();
  return *etcd;
}

Task<Result<std::unique_ptr<EtcdRegistry>>> Open(Env& env, std::string url,
                                                 etcd::Variables variables = {},
                                                 etcd::EtcdOptions options = {}) {
  FB_CO_ASSIGN(EtcdUrl parsed, EtcdUrl::Parse(url));
  co_return co_await EtcdRegistry::Open(env, std::move(parsed), std::move(variables), options, {});
}

/// A cell of its own.
class RealHarness final : public RegistryHarness {
 public:
  RealHarness() {
    static int number = 0;
    url_ = SharedEtcd().Url(fmt::format("cell-{}", ++number));
    loop_ = std::move(*Loop::Create({}));
    Reopen();
  }
  Env& env() override { return loop_->env(); }
  Registry& registry() override { return *registry_; }
  void Run(Task<void> main) override { loop_->Run(std::move(main)); }
  void Reopen() override {
    registry_.reset();
    auto opened = loop_->Run(Open(env(), url_));
    ASSERT_TRUE(opened) << opened.error().ToString();
    registry_ = std::move(*opened);
  }
  Duration shortest_lease() const override { return 1s; }
  /// It looks twice a second, and takes its time when it is busy.
  Duration lease_delay() const override { return 3s; }

 private:
  std::string url_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<EtcdRegistry> registry_;
};

INSTANTIATE_TEST_SUITE_P(RealEtcd, RegistryContract,
                         testing::Values([]() -> std::unique_ptr<RegistryHarness> {
                           return std::make_unique<RealHarness>();
                         }));

}  // namespace
}  // namespace forebay
