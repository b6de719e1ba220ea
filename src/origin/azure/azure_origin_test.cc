#include "src/origin/azure/azure_origin.h"

#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/origin/testing/blob_double.h"
#include "src/origin/testing/origin_contract.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;

constexpr const char* kEndpoint = "https://account.blob.core.windows.net";
constexpr const char* kUrl = "azure://account/data/set";
// Small, so that tests have many.
constexpr azure::UploadOptions kSmallBlocks{.block_bytes = 64 << 10, .memory_bytes = 256 << 10};

class SimHarness : public OriginHarness {
 public:
  explicit SimHarness(bool hierarchical = false, uint32_t most_on_a_page = 5000)
      : store_({.now = [this] { return world_.env().clock.WallNanos(); },
                .hierarchical = hierarchical,
                .most_on_a_page = most_on_a_page}) {
    server_ = &world_.AddHttpServer(kEndpoint, store_.Handler());
    variables_["AZURE_STORAGE_KEY"] = "bm90IGEgc2VjcmV0";
    Open(kUrl);
  }
  Env& env() override { return node_.env(); }
  Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }

  void Open(std::string_view url) {
    http_origin::DriverParts parts;
    parts.surroundings.variables = variables_;
    auto origin = AzureOrigin::Create(OriginUrl::Parse(url).value(), parts, kSmallBlocks);
    ASSERT_TRUE(origin.has_value()) << origin.error().ToString();
    origin_ = std::move(*origin);
  }
  sim::World& world() { return world_; }
  sim::HttpServer& server() { return *server_; }
  BlobDouble& store() { return store_; }
  AzureOrigin& azure() { return *origin_; }
  std::map<std::string, std::string, std::less<>>& variables() { return variables_; }

 private:
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
  BlobDouble store_;
  sim::HttpServer* server_ = nullptr;
  std::map<std::string, std::string, std::less<>> variables_;
  std::unique_ptr<AzureOrigin> origin_;
};

INSTANTIATE_TEST_SUITE_P(Azure, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>();
                         }));
INSTANTIATE_TEST_SUITE_P(AzureShortPages, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>(false, 7);
                         }));

}  // namespace
}  // namespace forebay
