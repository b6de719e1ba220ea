// The registry on real files.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "src/platform/linux/loop.h"
#include "src/registry/embedded/embedded_registry.h"
#include "src/registry/testing/registry_contract.h"

namespace forebay {
namespace {

class LinuxHarness final : public RegistryHarness {
 public:
  LinuxHarness() {
    char pattern[] = "/tmp/forebay_test_XXXXXX";
    directory_ = mkdtemp(pattern);
    loop_ = std::move(*Loop::Create({}));
    Reopen();
  }
  ~LinuxHarness() override {
    registry_.reset();
    std::filesystem::remove_all(directory_);
  }
  Env& env() override { return loop_->env(); }
  Registry& registry() override { return *registry_; }
  void Run(Task<void> main) override { loop_->Run(std::move(main)); }
  void Reopen() override {
    registry_.reset();
    auto opened = loop_->Run(EmbeddedRegistry::Open(env(), directory_ + "/data"));
    ASSERT_TRUE(opened) << opened.error().ToString();
    registry_ = std::move(*opened);
  }

 private:
  std::string directory_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<EmbeddedRegistry> registry_;
};

INSTANTIATE_TEST_SUITE_P(Io, RegistryContract,
                         testing::Values([]() -> std::unique_ptr<RegistryHarness> {
                           return std::make_unique<LinuxHarness>();
                         }));

}  // namespace
}  // namespace forebay
