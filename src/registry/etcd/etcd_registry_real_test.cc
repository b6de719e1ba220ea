// The registry on a real etcd.
#include <fmt/format.h>

#include "src/base/base64.h"
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

// -- What befalls it.

using registry_contract::CodeOf;
using registry_contract::Follow;

/// What etcdctl would do.
Task<Result<std::string>> Post(Env& env, std::string url, std::string body,
                               std::shared_ptr<const HttpTls> tls = nullptr) {
  FB_CO_ASSIGN(const auto response,
               co_await env.http.Send(
                   {.method = "POST", .url = url, .body = {AsBytes(body)}, .tls = tls}, {}));
  FB_CO_ASSIGN(std::string answer, co_await etcd::ReadWhole(*response, 1 << 20, {}));
  if (response->status() == 200) co_return answer;
  co_return Fail(Code::kInternal, url + ": " + answer);
}

class RealEtcdTest : public testing::Test {
 protected:
  Env& env() { return loop_->env(); }
  void Start(RealEtcdOptions options = {}) { etcd_ = Started(std::move(options)); }
  std::unique_ptr<EtcdRegistry> Opened(const std::string& url, etcd::Variables variables = {}) {
    auto opened = loop_->Run(Open(env(), url, std::move(variables)));
    EXPECT_TRUE(opened) << opened.error().ToString();
    return opened ? std::move(*opened) : nullptr;
  }
  Error OpenFails(const std::string& url, etcd::Variables variables = {}) {
    auto opened = loop_->Run(
        Open(env(), url, std::move(variables), {.patience = 500ms, .try_timeout = 500ms}));
    EXPECT_FALSE(opened.has_value());
    return opened ? Error(Code::kInternal, "") : opened.error();
  }
  void Tell(const std::string& path, const std::string& body) {
    const auto answer = loop_->Run(Post(env(), etcd_->Endpoint(0) + path, body));
    ASSERT_TRUE(answer) << answer.error().ToString();
  }
  Result<Revision> Put(Registry& registry, std::string key, std::string value) {
    return loop_->Run(registry.Put(std::move(key), std::move(value), {}, 0, {}));
  }
  /// Until it is acknowledged: what is in doubt is looked at by whoever wants to know.
  void PutAtLast(Registry& registry, const std::string& key, const std::string& value) {
    Result<Revision> put = Put(registry, key, value);
    for (int tries = 0; !put && tries < 10; ++tries) put = Put(registry, key, value);
    EXPECT_TRUE(put) << put.error().ToString();
  }
  std::unique_ptr<RegistryWatch> Watch(Registry& registry, std::string prefix = "") {
    const Revision now = loop_->Run(registry.List("", {})).value().revision;
    return loop_->Run(registry.Watch(std::move(prefix), now, {})).value();
  }
  /// What a watch has told until `key` came.
  std::string ToldUntil(RegistryWatch& watch, const std::string& end) {
    std::string told;
    while (told.find(end) == std::string::npos) {
      const std::string more = loop_->Run(Follow(watch, 1, {.deadline = env().clock.Now() + 60s}));
      told += more;
      if (!more.ends_with(' ')) break;
    }
    return told;
  }
  int Leader() {
    for (int i = 0; i < etcd_->members(); ++i) {
      if (etcd_->pid(i) < 0) continue;
      const auto status =
          loop_->Run(Post(env(), etcd_->Endpoint(i) + "/v3/maintenance/status", "{}"));
      if (!status) continue;
      const auto id = [&](std::string_view name) {
        const size_t at = status->find(name);
        return at == std::string::npos ? "" : status->substr(at + name.size(), 16);
      };
      if (id("\"member_id\":\"") == id("\"leader\":\"")) return i;
    }
    return -1;
  }

  std::unique_ptr<Loop> loop_ = std::move(*Loop::Create({}));
  std::unique_ptr<RealEtcd> etcd_;
};

TEST_F(RealEtcdTest, NobodyThereIsSaidInWords) {
  const Error error = OpenFails("etcd://127.0.0.1:1,127.0.0.1:2/cell");
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_NE(error.message().find("http://127.0.0.1:1, http://127.0.0.1:2"), std::string::npos)
      << error.message();
}

TEST_F(RealEtcdTest, UsersAndPermissions) {
  Start();
  for (const char* user : {"root", "forebay"}) {
    Tell("/v3/auth/user/add", fmt::format(R"({{"name":"{0}","password":"pw of {0}"}})", user));
  }
  Tell("/v3/auth/role/add", R"({"name":"root"})");
  Tell("/v3/auth/role/add", R"({"name":"cell"})");
  Tell("/v3/auth/role/grant",
       fmt::format(
           R"({{"name":"cell","perm":{{"permType":"READWRITE","key":"{}","range_end":"{}"}}}})",
           Base64(AsBytes("/forebay/cell/")), Base64(AsBytes("/forebay/cell0"))));
  Tell("/v3/auth/user/grant", R"({"user":"root","role":"root"})");
  Tell("/v3/auth/user/grant", R"({"user":"forebay","role":"cell"})");

  // Credentials may be there before etcd asks for them.
  const std::string url = etcd_->Url("cell");
  const etcd::Variables variables = {{"ETCD", "forebay:pw of forebay"}};
  const auto early = Opened(url + "?credentials=env:ETCD", variables);
  ASSERT_TRUE(early != nullptr);
  const auto watch = Watch(*early);
  EXPECT_TRUE(Put(*early, "k", "0"));
  Tell("/v3/auth/enable", "{}");
  EXPECT_TRUE(Put(*early, "k", "1"));

  EXPECT_EQ(OpenFails(url).code(), Code::kUnauthenticated);
  const Error wrong = OpenFails(url + "?credentials=env:E", {{"E", "forebay:wrong"}});
  EXPECT_EQ(wrong.code(), Code::kUnauthenticated);
  EXPECT_EQ(wrong.message().find("forebay:wrong"), std::string::npos) << wrong.message();
  const Error denied = OpenFails(etcd_->Url("other") + "?credentials=env:ETCD", variables);
  EXPECT_EQ(denied.code(), Code::kPermissionDenied);
  EXPECT_NE(denied.message().find("etcdctl role grant-permission"), std::string::npos);

  // A restart forgets all tokens.
  ASSERT_TRUE(etcd_->Restart(0));
  PutAtLast(*early, "k", "2");
  EXPECT_EQ(ToldUntil(*watch, "k=2"), "k=0 k=1 k=2 ");
  EXPECT_TRUE(loop_->Run(early->GrantLease(10s, {})));
}

TEST_F(RealEtcdTest, Tls) {
  Start({.tls = true});
  const std::string url = etcd_->Url("cell");
  const auto registry = Opened(url + "?ca=" + etcd_->ca_file());
  ASSERT_TRUE(registry != nullptr);
  const auto watch = Watch(*registry);
  EXPECT_TRUE(Put(*registry, "k", "1"));
  EXPECT_EQ(ToldUntil(*watch, "k=1"), "k=1 ");
  const Error unknown = OpenFails(url);
  EXPECT_EQ(unknown.code(), Code::kUnavailable);
  EXPECT_NE(unknown.message().find("ca= names who signed"), std::string::npos) << unknown.message();
  const Error plain = OpenFails("etcd" + url.substr(5));
  EXPECT_NE(plain.message().find("without TLS"), std::string::npos) << plain.message();
}

TEST_F(RealEtcdTest, AWatchGoesOnOverARestart) {
  Start();
  const auto registry = Opened(etcd_->Url("cell"));
  const auto watch = Watch(*registry);
  EXPECT_TRUE(Put(*registry, "k", "1"));
  EXPECT_EQ(ToldUntil(*watch, "k=1"), "k=1 ");
  etcd_->Kill(0);
  EXPECT_EQ(loop_->Run(Follow(*watch, 1, {.deadline = env().clock.Now() + 300ms})),
            CodeName(Code::kDeadlineExceeded));
  ASSERT_TRUE(etcd_->Restart(0));
  PutAtLast(*registry, "k", "2");
  EXPECT_TRUE(ToldUntil(*watch, "k=2").starts_with("k=2 "));
}

TEST_F(RealEtcdTest, WhatWasCompactedUnseenIsTold) {
  Start();
  const auto registry = Opened(etcd_->Url("cell"));
  const auto behind = Watch(*registry);
  const auto ahead = Watch(*registry);
  Revision last = 0;
  for (int i = 0; i < 5; ++i) last = Put(*registry, "k", std::to_string(i)).value();
  EXPECT_EQ(ToldUntil(*ahead, "k=4"), "k=0 k=1 k=2 k=3 k=4 ");
  Tell("/v3/kv/compaction", fmt::format(R"({{"revision":"{}"}})", last));
  const auto missed = loop_->Run(behind->Next({}));
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code(), Code::kCorrupt);
  // Who had seen it all is not disturbed, nor after a break.
  ASSERT_TRUE(etcd_->Restart(0));
  PutAtLast(*registry, "k", "5");
  EXPECT_TRUE(ToldUntil(*ahead, "k=5").starts_with("k=5 "));
}

TEST_F(RealEtcdTest, TheLeadersDeathAndALongPauseAreOutlived) {
  Start({.members = 3});
  const auto registry = Opened(etcd_->Url("cell"));
  const auto watch = Watch(*registry);
  const LeaseId lease = loop_->Run(registry->GrantLease(60s, {})).value();
  EXPECT_TRUE(loop_->Run(registry->Put("leased", "", {}, lease, {})));
  PutAtLast(*registry, "k", "0");
  for (int round = 1; round <= 3; ++round) {
    const int leader = Leader();
    ASSERT_GE(leader, 0);
    round == 2 ? etcd_->Pause(leader) : etcd_->Kill(leader);
    PutAtLast(*registry, "k", std::to_string(round));
    EXPECT_TRUE(
        ToldUntil(*watch, fmt::format("k={}", round)).ends_with(fmt::format("k={} ", round)));
    EXPECT_TRUE(loop_->Run(registry->KeepAlive(lease, {})));
    if (round == 2) {
      etcd_->Resume(leader);
    } else {
      ASSERT_TRUE(etcd_->Restart(leader));
    }
  }
  EXPECT_TRUE(loop_->Run(registry->Get("leased", {})).value().has_value());
}

TEST_F(RealEtcdTest, TwoOfThreeGoneIsALostQuorum) {
  Start({.members = 3});
  const auto registry = Opened(etcd_->Url("cell"));
  EXPECT_TRUE(Put(*registry, "k", "1"));
  etcd_->Kill(0);
  etcd_->Kill(1);
  const auto entry = loop_->Run(registry->Get("k", {.deadline = env().clock.Now() + 3s}));
  ASSERT_FALSE(entry.has_value());
  EXPECT_NE(entry.error().message().find("quorum"), std::string::npos) << entry.error().message();
  ASSERT_TRUE(etcd_->Restart(0));
  EXPECT_EQ(loop_->Run(registry->Get("k", {})).value()->value, "1");
}

TEST_F(RealEtcdTest, WhatIsTooLargeForEtcdIsSaid) {
  Start({.more_arguments = {"--max-request-bytes", "10000"}});
  const auto registry = Opened(etcd_->Url("cell"));
  const auto put = Put(*registry, "k", std::string(20'000, 'v'));
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::kInvalidArgument);
  EXPECT_NE(put.error().message().find("max-request-bytes"), std::string::npos);
}

}  // namespace
}  // namespace forebay
