// Where proofs come from, what is said of them, and what the service's answers mean.
#include "src/origin/azure/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/origin/azure/azure_origin.h"
#include "src/origin/http/text.h"
#include "src/origin/testing/blob_double.h"
#include "src/origin/testing/origin_contract_cases.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using origin_contract::CodeOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "bm90IGEgc2VjcmV0";
constexpr const char* kConnection =
    "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=bm90IGEgc2VjcmV0;"
    "EndpointSuffix=core.windows.net";

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest()
      : store_({.now = [this] { return world_.env().clock.WallNanos() + store_skew_ns_; }}) {
    world_.AddHttpServer("https://account.blob.core.windows.net", store_.Handler());
    store_.Put("k", "text");
  }
  Env& env() { return world_.env(); }

  Result<std::unique_ptr<AzureOrigin>> Make(std::string_view reference) {
    http_origin::DriverParts parts;
    parts.surroundings.variables = variables_;
    OriginUrl url = OriginUrl::Parse("azure://account/data").value();
    if (!reference.empty()) url.parameters.emplace("credentials", reference);
    return AzureOrigin::Create(url, parts);
  }
  /// Of a Head: "" where all is well.
  std::string Try(std::string_view reference) {
    auto made = Make(reference);
    if (!made) return made.error().message();
    origin_ = std::move(*made);
    return HeadAgain();
  }
  std::string HeadAgain() {
    const Call soon{.deadline = env().clock.Now() + 60s};
    const auto head = world_.Run(origin_->Head(env(), "k", soon));
    last_ = head ? std::nullopt : std::optional(head.error().code());
    return head ? "" : head.error().message();
  }
  std::string Described() { return origin_->credentials(); }
  void Write(std::string path, std::string text) { world_.Run(WriteTask(path, text)); }
  Task<void> WriteTask(std::string path, std::string text) {
    const auto file =
        co_await env().disk.Open(path, {.write = true, .create = true, .truncate = true});
    const Bytes bytes = AsBytes(text);
    EXPECT_TRUE(file && (co_await env().disk.Write(**file, 0, std::span(&bytes, 1))));
  }

  sim::World world_{1};
  int64_t store_skew_ns_ = 0;
  std::map<std::string, std::string, std::less<>> variables_;
  BlobDouble store_;
  std::unique_ptr<AzureOrigin> origin_;
  std::optional<Code> last_;
};

TEST_F(CredentialsTest, KeysComeFromVariables) {
  variables_ = {{"MINE", kKey}, {"AZURE_STORAGE_KEY", kKey}, {"CONNECTION", kConnection}};
  EXPECT_EQ(Try(""), "");
  EXPECT_EQ(Described(), "account key of variable AZURE_STORAGE_KEY");
  EXPECT_EQ(Try("env:MINE"), "");
  EXPECT_EQ(Try("env:CONNECTION"), "");
  variables_["AZURE_STORAGE_CONNECTION_STRING"] = kConnection;
  EXPECT_EQ(Try("default"), "");
  EXPECT_EQ(Described(), "account key of variable AZURE_STORAGE_CONNECTION_STRING");
}

TEST_F(CredentialsTest, WhatIsOfAnotherAccountIsPassedOver) {
  variables_ = {{"AZURE_STORAGE_CONNECTION_STRING", "AccountName=other;AccountKey=AAAA"},
                {"AZURE_STORAGE_KEY", kKey},
                {"AZURE_STORAGE_ACCOUNT", "other"}};
  const std::string none = Try("");
  EXPECT_THAT(none, HasSubstr("no credentials: AZURE_STORAGE_CONNECTION_STRING of another account, "
                              "AZURE_STORAGE_KEY of another account"));
  EXPECT_THAT(none, HasSubstr("no AZURE_FEDERATED_TOKEN_FILE, managed identity: the metadata"));
  EXPECT_THAT(none, HasSubstr("credentials=anonymous"));
  EXPECT_EQ(last_, Code::kPermissionDenied);
  variables_["AZURE_STORAGE_ACCOUNT"] = "account";
  EXPECT_EQ(Try(""), "");
}

TEST_F(CredentialsTest, WrongReferencesAreNamedAndSecretsAreNot) {
  variables_ = {{"BAD", "hunter2!"},
                {"OTHER", "AccountName=other;AccountKey=aHVudGVyMg=="},
                {"HALF", "AccountName=account;X=hunter2"}};
  EXPECT_THAT(Try("hunter2"), HasSubstr("env:NAME, file:/PATH"));
  for (const char* reference : {"hunter2", "env:BAD", "env:OTHER", "env:HALF", "env:"}) {
    const std::string error = Try(reference);
    EXPECT_THAT(error, HasSubstr("origin azure://account/data")) << reference;
    EXPECT_THAT(error, Not(HasSubstr("hunter2"))) << reference;
    EXPECT_THAT(error, Not(HasSubstr("aHVudGVy"))) << reference;
  }
  EXPECT_THAT(Try("env:OTHER"), HasSubstr("of account other, not of account"));
  EXPECT_THAT(Try("env:UNSET"), HasSubstr("no UNSET"));
}

TEST_F(CredentialsTest, FilesAreReadAgainWhenTheyAreRefused) {
  Write("/secret", std::string("AAAA\n"));
  EXPECT_THAT(Try("file:/secret"), HasSubstr("was it rotated?"));
  EXPECT_EQ(last_, Code::kPermissionDenied);
  Write("/secret", std::string(kKey) + "\n");
  world_.RunFor(2s);
  EXPECT_EQ(HeadAgain(), "");
  EXPECT_EQ(Described(), "account key of file /secret");
  EXPECT_THAT(Try("file:/none"), HasSubstr("/none"));
}

TEST_F(CredentialsTest, ASignatureThatEndsIsTold) {
  const int64_t now = env().clock.WallNanos();
  std::string ends = http_origin::BasicIsoDate(now + 60'000'000'000);
  for (const size_t at : {4, 7}) ends.insert(at, "-");
  for (const size_t at : {13, 16}) ends.insert(at, ":");
  const std::string rest = "sv=2020-10-02&se=" + http_origin::PercentEncode(ends, false);
  variables_ = {{"SAS", "?" + rest + "&sig=hunter2"}};
  store_.SetSas("sig=hunter2&" + rest);
  EXPECT_EQ(Try("env:SAS"), "");
  world_.RunFor(61s);
  const std::string error = HeadAgain();
  EXPECT_THAT(error, HasSubstr("the shared access signature of variable SAS ended at"));
  EXPECT_THAT(error, Not(HasSubstr("hunter2")));
  EXPECT_EQ(last_, Code::kPermissionDenied);
}

TEST_F(CredentialsTest, ASignatureIsInNoError) {
  variables_ = {{"SAS", "sv=1&sig=hunter2"}};
  EXPECT_THAT(Try("env:SAS"), Not(HasSubstr("hunter2")));
  world_.AddHttpServer("https://down.test", nullptr).SetDown(true);
  http_origin::DriverParts parts;
  parts.surroundings.variables = variables_;
  origin_ =
      AzureOrigin::Create(
          OriginUrl::Parse("azure://a/data?endpoint=https://down.test&credentials=env:SAS").value(),
          parts)
          .value();
  const std::string error = HeadAgain();
  EXPECT_NE(error, "");
  EXPECT_THAT(error, Not(HasSubstr("hunter2")));
}

TEST_F(CredentialsTest, TokensOfTheMachineAreRenewedBeforeTheyEnd) {
  world_.AddHttpServer("http://169.254.169.254", store_.MachineHandler());
  EXPECT_EQ(Try("managed-identity"), "");
  EXPECT_EQ(Described(), "managed identity");
  for (int minute = 0; minute < 180; ++minute) {
    world_.RunFor(60s);
    EXPECT_EQ(HeadAgain(), "");
  }
  EXPECT_EQ(store_.tokens_given(), 4u);  // of an hour each, renewed five minutes before
  store_.ForgetTokens();                 // revoked
  world_.RunFor(2s);
  EXPECT_EQ(HeadAgain(), "");
  EXPECT_EQ(Try(""), "");
  EXPECT_EQ(Try("managed-identity:client"), "");
  EXPECT_EQ(Described(), "managed identity of client client");
  EXPECT_THAT(Try("managed-identity:unknown"), HasSubstr("Identity not found"));
}

TEST_F(CredentialsTest, ATokenThatComesTooLateIsAskedForAgain) {
  store_.SetTokenSeconds(2);
  auto& machine = world_.AddHttpServer("http://169.254.169.254",
                                       [this, give = store_.MachineHandler()](const auto& request) {
                                         auto reply = give(request);
                                         store_.SetTokenSeconds(3600);
                                         return reply;
                                       });
  machine.SetOptions({.latency = 3s});
  EXPECT_EQ(Try("managed-identity"), "");
  EXPECT_EQ(store_.tokens_given(), 2u);
}

TEST_F(CredentialsTest, ManyAskOnce) {
  world_.AddHttpServer("http://169.254.169.254", store_.MachineHandler());
  origin_ = Make("managed-identity").value();
  TaskGroup group(env().executor);
  struct Head {
    static Task<void> One(AzureOrigin& origin, Env& env) {
      EXPECT_TRUE(co_await origin.Head(env, "k", {}));
    }
    static Task<void> All(TaskGroup& group) { co_await group.Join(); }
  };
  for (int i = 0; i < 20; ++i) group.Spawn(Head::One(*origin_, env()));
  world_.Run(Head::All(group));
  EXPECT_EQ(store_.tokens_given(), 1u);
}

TEST_F(CredentialsTest, AWorkloadsTokenIsReadAnew) {
  variables_ = {{"AZURE_FEDERATED_TOKEN_FILE", "/token"}};
  EXPECT_THAT(Try("workload-identity"), HasSubstr("AZURE_CLIENT_ID is not set"));
  variables_["AZURE_CLIENT_ID"] = "client";
  variables_["AZURE_TENANT_ID"] = "tenant";
  EXPECT_THAT(Try(""), HasSubstr("/token"));
  Write("/token", "first.jwt\n");
  world_.AddHttpServer("https://login.microsoftonline.com", store_.AuthorityHandler("next.jwt"));
  const std::string refused = Try("");
  EXPECT_THAT(refused, HasSubstr("AADSTS700024: ended."));
  EXPECT_THAT(refused, Not(HasSubstr("first.jwt")));
  Write("/token", "next.jwt\n");
  world_.RunFor(2s);
  EXPECT_EQ(HeadAgain(), "");
  EXPECT_EQ(Described(), "workload identity of client client");
  world_.RunFor(58min);
  EXPECT_EQ(HeadAgain(), "");
  EXPECT_EQ(store_.tokens_given(), 2u);
}

TEST_F(CredentialsTest, AClockThatIsOffIsTold) {
  variables_ = {{"AZURE_STORAGE_KEY", kKey}};
  store_skew_ns_ = int64_t{3600} * 1'000'000'000;
  EXPECT_THAT(Try(""), HasSubstr("the clock of this machine is 60 min behind the service's"));
  store_skew_ns_ = -2 * store_skew_ns_;
  EXPECT_THAT(HeadAgain(), HasSubstr("2 h 0 min ahead of"));
}

TEST_F(CredentialsTest, AnswersAreExplained) {
  variables_ = {{"AZURE_STORAGE_KEY", kKey}};
  EXPECT_EQ(Try(""), "");
  const auto says = [&](int status, std::string_view code) {
    store_.AnswerNext(BlobError(status, code, "Words of the service."));
    return HeadAgain();
  };
  EXPECT_THAT(says(403, "AuthorizationPermissionMismatch"), HasSubstr("Storage Blob Data Reader"));
  EXPECT_THAT(says(404, "ContainerNotFound"), HasSubstr("there is no container 'data'"));
  EXPECT_EQ(last_, Code::kInvalidArgument);
  EXPECT_THAT(says(404, "BlobNotFound"), HasSubstr("(BlobNotFound; request r-1)"));
  EXPECT_EQ(last_, Code::kNotFound);
  store_.AnswerNext(BlobError(404, "ContainerNotFound", "Words of the service."));
  const auto listed = world_.Run(origin_->List(env(), {}, {}));
  EXPECT_THAT(listed.error().message(), HasSubstr("(ContainerNotFound: Words of the service.; r"));
  EXPECT_THAT(says(403, "AuthorizationFailure"), HasSubstr("firewall"));
  EXPECT_THAT(says(409, "BlobArchived"), HasSubstr("archive"));
  EXPECT_THAT(says(412, "LeaseIdMissing"), HasSubstr("lease"));
  EXPECT_EQ(last_, Code::kPermissionDenied);
  EXPECT_THAT(says(404, "BlobNotFound"), HasSubstr("request r-1"));
  EXPECT_EQ(says(503, "ServerBusy"), "");
  EXPECT_EQ(says(500, "OperationTimedOut"), "");
  store_.AnswerNext({.status = 403,
                     .headers = {{"Content-Type", "text/html"}},
                     .body = std::string("<html>Log in</html>")});
  EXPECT_THAT(HeadAgain(), HasSubstr("a page of HTML"));
  EXPECT_EQ(last_, Code::kPermissionDenied);
}

TEST(AzureUrlTest, SaysWhatIsWrong) {
  const auto wrong = [](std::string_view url) {
    const auto made = AzureOrigin::Create(OriginUrl::Parse(url).value(), {});
    EXPECT_EQ(CodeOf(made), Code::kInvalidArgument) << url;
    return made ? "" : made.error().message();
  };
  EXPECT_THAT(wrong("azure://account"), HasSubstr("azure://ACCOUNT/CONTAINER"));
  EXPECT_THAT(wrong("azure://a.blob.core.windows.net/c"), HasSubstr("?endpoint=https://a.blob"));
  EXPECT_THAT(wrong("azure://account/No"), HasSubstr("no name of a container"));
  EXPECT_THAT(wrong("azure://account/data/a//b"), HasSubstr("cannot be used"));
  EXPECT_THAT(wrong("azure://account/data?endpoint=blob"), HasSubstr("?endpoint= is the URL"));
  EXPECT_THAT(wrong("azure://account/data?region=x"), HasSubstr("region"));
  EXPECT_THAT(wrong("azure://account/data?credentials=key"), HasSubstr("managed-identity"));
}

TEST(AzureUrlTest, TheEndpointIsThatOfTheConnectionString) {
  const Surroundings surroundings{
      .variables = {
          {"AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"},
          {"MINE", "BlobEndpoint=https://x/y;AccountName=a;AccountKey=AAAA"},
          {"SUFFIX", "AccountName=a;AccountKey=AAAA;EndpointSuffix=core.chinacloudapi.cn"}}};
  EXPECT_EQ(azure::UsualEndpoint("", surroundings, "devstoreaccount1"),
            "http://127.0.0.1:10000/devstoreaccount1");
  EXPECT_EQ(azure::UsualEndpoint("", surroundings, "a"), "");
  EXPECT_EQ(azure::UsualEndpoint("env:MINE", surroundings, "a"), "https://x/y");
  EXPECT_EQ(azure::UsualEndpoint("env:SUFFIX", surroundings, "a"),
            "https://a.blob.core.chinacloudapi.cn");
  EXPECT_EQ(azure::UsualEndpoint("anonymous", surroundings, "a"), "");
}

}  // namespace
}  // namespace forebay
