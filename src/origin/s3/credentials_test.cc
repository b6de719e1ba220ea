// Where keys are found, when they are renewed, and that nobody is told what they are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/s3/profiles.h"
#include "src/origin/s3/signer.h"
#include "src/runtime/task_group.h"

namespace forebay::s3 {
namespace {

using http_origin::HeaderOf;
using http_origin::PercentEncode;
using sim::FindHeader;
using sim::SimHttpReply;
using sim::SimHttpRequest;
using std::chrono::minutes;
using std::chrono::seconds;

std::string IsoOf(int64_t wall_ns) {
  std::string basic = http_origin::BasicIsoDate(wall_ns);
  for (const size_t at : {4, 7}) basic.insert(at, "-");
  for (const size_t at : {13, 16}) basic.insert(at, ":");
  return basic;
}

/// STS and the metadata service of an instance, as far as their documents describe them.
class Services {
 public:
  explicit Services(sim::World& world) : world_(world) {
    world.AddHttpServer("https://sts.eu-1.amazonaws.com",
                        [this](const SimHttpRequest& r) { return Sts(r); });
    instance_ = &world.AddHttpServer("http://169.254.169.254",
                                     [this](const SimHttpRequest& r) { return Instance(r); });
    instance_->SetDown(true);
  }

  std::string good_token = "jwt+/=1";
  std::string role = "node role";
  Duration life = minutes(60);
  int asked_sts = 0, asked_instance = 0;
  bool sts_unwell = false;
  sim::HttpServer* instance_;

 private:
  std::string Ends() { return IsoOf(world_.env().clock.WallNanos() + life.count()); }

  SimHttpReply Sts(const SimHttpRequest& request) {
    ++asked_sts;
    if (sts_unwell) return {.status = 500, .body = std::string("unwell")};
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.url.find("jwt"), std::string::npos);
    const std::string want = fmt::format(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole"
        "%2Fr&RoleSessionName=forebay&WebIdentityToken={}",
        PercentEncode(good_token, false));
    if (request.body != want) {
      return {.status = 400,
              .body = std::string("<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                                  "<Message>No.</Message></Error></ErrorResponse>")};
    }
    return {.body = fmt::format("<AssumeRoleWithWebIdentityResponse xmlns='x'>"
                                "<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>T{0}"
                                "</SessionToken><SecretAccessKey>hunter2</SecretAccessKey>"
                                "<Expiration>{1}</Expiration><AccessKeyId>ID{0}</AccessKeyId>"
                                "</Credentials></AssumeRoleWithWebIdentityResult>"
                                "</AssumeRoleWithWebIdentityResponse>",
                                asked_sts, Ends())};
  }

  SimHttpReply Instance(const SimHttpRequest& request) {
    if (request.path == "/latest/api/token") {
      EXPECT_EQ(request.method, "PUT");
      EXPECT_FALSE(FindHeader(request.headers, "X-aws-ec2-metadata-token-ttl-seconds").empty());
      return {.body = std::string("session")};
    }
    if (FindHeader(request.headers, "X-aws-ec2-metadata-token") != "session") {
      return {.status = 401};
    }
    const std::string path = "/latest/meta-data/iam/security-credentials/";
    if (request.path == path && role.empty()) return {.status = 404};
    if (request.path == path) return {.body = role};
    if (request.path != path + PercentEncode(role, false)) return {.status = 404};
    ++asked_instance;
    return {.body = fmt::format("{{\"Code\":\"Success\",\"AccessKeyId\":\"ID{0}\","
                                "\"SecretAccessKey\":\"hunter2\",\"Token\":\"T{0}\","
                                "\"Expiration\":\"{1}\"}}",
                                asked_instance, Ends())};
  }

  sim::World& world_;
};

Task<Result<void>> WriteFile(Env& env, std::string path, std::string text) {
  FB_CO_TRY(co_await env.disk.MakeDirectory(path.substr(0, path.rfind('/'))));
  FB_CO_ASSIGN(const auto file,
               co_await env.disk.Open(path, {.write = true, .create = true, .truncate = true}));
  const Bytes bytes = AsBytes(text);
  co_return co_await env.disk.Write(*file, 0, std::span(&bytes, 1));
}

class CredentialsTest : public testing::Test {
 protected:
  Env& env() { return world_.env(); }
  void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(world_.Run(WriteFile(env(), path, text)));
  }
  void SetWebIdentity() {
    around_.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/var/token";
    around_.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
    Write("/var/token", services_.good_token + "\n");
  }
  Result<Looked> Look(std::string_view reference) {
    auto source = MakeKeySource(reference, around_, "eu-1");
    if (!source) return Fail(source.error());
    return world_.Run((*source)->Look(env(), {}));
  }
  /// "ID from where", or the error.
  std::string Found(std::string_view reference) {
    const auto looked = Look(reference);
    const std::string told = !looked         ? looked.error().ToString()
                             : !looked->keys ? "none: " + looked->told
                                             : looked->keys->id + " from " + looked->told;
    EXPECT_EQ(told.find("hunter2"), std::string::npos) << told;
    return told;
  }
  std::shared_ptr<S3Signer> MakeSigner(std::string_view reference) {
    return std::make_shared<S3Signer>(MakeKeySource(reference, around_, "eu-1").value(), "eu-1");
  }
  /// The id that it signs with, or the error.
  std::string SignedBy(S3Signer& signer, Call call = {}) {
    HttpRequest request{.url = "https://h/a"};
    const auto result = world_.Run(signer.Sign(env(), request, call));
    if (!result) return result.error().ToString();
    const std::string authorization(HeaderOf(request, "Authorization"));
    const size_t begin = authorization.find("Credential=") + 11;
    return authorization.substr(begin, authorization.find('/') - begin);
  }

  sim::World world_{1};
  Services services_{world_};
  Surroundings around_{.variables = {}, .home = "/me"};
};

TEST_F(CredentialsTest, VariablesComeInPairs) {
  EXPECT_EQ(Found("env"), "none: AWS_ACCESS_KEY_ID is not set");
  around_.variables["AWS_ACCESS_KEY_ID"] = "A";
  EXPECT_NE(Found("default").find("only one is set"), std::string::npos);
  around_.variables["AWS_SECRET_ACCESS_KEY"] = "hunter2";
  EXPECT_EQ(Found("env"), "A from the variable AWS_ACCESS_KEY_ID");
  EXPECT_EQ(Found(""), Found("env"));
  EXPECT_EQ(Look("env")->keys->secret, "hunter2");
  around_.variables["TRAIN_ACCESS_KEY_ID"] = "B";
  around_.variables["TRAIN_SECRET_ACCESS_KEY"] = "hunter2";
  around_.variables["TRAIN_SESSION_TOKEN"] = "t";
  EXPECT_EQ(Found("env:TRAIN"), "B from the variable TRAIN_ACCESS_KEY_ID");
  EXPECT_EQ(Look("env:TRAIN")->keys->token, "t");
}

TEST_F(CredentialsTest, ProfilesAreReadAsTheToolsOfAwsDo) {
  Write("/me/.aws/credentials",
        "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=hunter2 # c\r\n"
        "[train]\nAWS_ACCESS_KEY_ID=B\naws_secret_access_key = hunter2#2\naws_session_token=t\n"
        "s3 =\n  max_queue = 3\n[half]\naws_access_key_id=C\n");
  Write("/me/.aws/config",
        "[default]\nregion = x\n[profile other]\naws_access_key_id=D\n"
        "aws_secret_access_key=hunter2\n[profile sso]\nsso_start_url=https://x\n");
  EXPECT_EQ(Found(""), "A from profile 'default' of /me/.aws/credentials");
  EXPECT_EQ(Found("profile:train"), "B from profile 'train' of /me/.aws/credentials");
  EXPECT_EQ(Look("profile:train")->keys->secret, "hunter2#2");
  EXPECT_EQ(Look("profile:train")->keys->token, "t");
  EXPECT_EQ(Found("profile:other"), "D from profile 'other' of /me/.aws/config");
  EXPECT_NE(Found("profile:none").find("no profile 'none'"), std::string::npos);
  EXPECT_NE(Found("profile:half").find("only one of"), std::string::npos);
  EXPECT_NE(Found("profile:sso").find("sso_start_url, which is not offered"), std::string::npos);
  around_.variables["AWS_PROFILE"] = "other";
  EXPECT_EQ(Found("default"), "D from profile 'other' of /me/.aws/config");
  around_.variables["AWS_PROFILE"] = "none";
  EXPECT_NE(Found("default").find("permission denied"), std::string::npos) << Found("default");
  around_.variables["AWS_SHARED_CREDENTIALS_FILE"] = "~/elsewhere";
  Write("/me/elsewhere", "[none]\naws_access_key_id=E\naws_secret_access_key=hunter2\n");
  EXPECT_EQ(Found("default"), "E from profile 'none' of /me/elsewhere");
}

TEST_F(CredentialsTest, AFileNeedsNoSection) {
  Write("/run/secret", "aws_access_key_id=A\naws_secret_access_key=hunter2\n");
  EXPECT_EQ(Found("file:/run/secret"), "A from profile 'default' of /run/secret");
  EXPECT_NE(Found("file:/run/none").find("/run/none"), std::string::npos);
  Write("/run/secret", "aws_access_key_id=A\nhunter2\n");
  EXPECT_NE(Found("file:/run/secret").find("line 2"), std::string::npos);
  Write("/run/secret", "[default\n");
  EXPECT_NE(Found("file:/run/secret").find("line 1"), std::string::npos);
  Write("/run/secret", std::string(300 << 10, '\n'));
  EXPECT_NE(Found("file:/run/secret").find("too large"), std::string::npos);
}

TEST_F(CredentialsTest, AWebIdentityIsChangedForKeys) {
  SetWebIdentity();
  EXPECT_EQ(Found("web-identity"),
            "ID1 from web identity (role arn:aws:iam::1:role/r, token of /var/token)");
  EXPECT_EQ(Look("web-identity")->keys->token, "T2");
  EXPECT_TRUE(Found("default").starts_with("ID3 from web identity"));
  Write("/var/token", "hunter2");
  const std::string refused = Found("default");  // no further place is tried
  EXPECT_NE(refused.find("InvalidIdentityToken"), std::string::npos) << refused;
  services_.sts_unwell = true;
  EXPECT_EQ(Look("web-identity").error().code(), Code::kUnavailable);
  EXPECT_EQ(services_.asked_sts, 7);  // three tries
  around_.variables.erase("AWS_ROLE_ARN");
  EXPECT_NE(Found("default").find("only one is named"), std::string::npos);
}

TEST_F(CredentialsTest, AProfileMayNameAWebIdentity) {
  Write("/me/.aws/config",
        "[profile w]\nweb_identity_token_file=~/token\nrole_arn=arn:aws:iam::1:role/r\n");
  Write("/me/token", services_.good_token);
  EXPECT_TRUE(Found("profile:w").starts_with("ID1 from web identity")) << Found("profile:w");
}

TEST_F(CredentialsTest, AnInstanceGivesTheKeysOfItsRole) {
  const std::string none = Found("default");
  EXPECT_TRUE(
      none.starts_with("none: AWS_ACCESS_KEY_ID is not set; AWS_WEB_IDENTITY_TOKEN_FILE is "
                       "not set; /me/.aws/credentials and /me/.aws/config have no "
                       "profile 'default' with keys; no instance metadata"))
      << none;
  EXPECT_EQ(Look("imds").error().code(), Code::kUnavailable);
  services_.instance_->SetDown(false);
  EXPECT_EQ(Found("default"), "ID1 from instance metadata (role node role)");
  EXPECT_EQ(Look("imds")->keys->token, "T2");
  services_.role = "";
  EXPECT_NE(Found("default").find("no role"), std::string::npos);
  around_.variables["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_NE(Found("default").find("DISABLED"), std::string::npos);
}

TEST_F(CredentialsTest, WhatIsNoReferenceIsNotRepeated) {
  for (const char* wrong : {"hunter2", "env:", "profile:", "file:", "AKIA/hunter2", "imds:x"}) {
    const auto source = MakeKeySource(wrong, around_, "eu-1");
    ASSERT_FALSE(source) << wrong;
    EXPECT_EQ(source.error().message().find("hunter2"), std::string::npos);
    EXPECT_NE(source.error().message().find("profile:NAME"), std::string::npos);
  }
}

TEST_F(CredentialsTest, AnonymousSignsNothing) {
  S3Signer signer(nullptr, "eu-1");
  HttpRequest request{.url = "https://h/a"};
  EXPECT_TRUE(world_.Run(signer.Sign(env(), request, {})));
  EXPECT_TRUE(request.headers.empty());
  EXPECT_EQ(signer.Describe(), "anonymous");
  EXPECT_FALSE(signer.Refused());
}

TEST_F(CredentialsTest, TemporaryKeysAreRenewedBeforeTheyEnd) {
  SetWebIdentity();
  const auto signer = MakeSigner("default");
  EXPECT_EQ(SignedBy(*signer), "ID1");
  world_.RunFor(minutes(54));
  EXPECT_EQ(SignedBy(*signer), "ID1");
  world_.RunFor(minutes(2));
  services_.sts_unwell = true;
  EXPECT_EQ(SignedBy(*signer), "ID1");  // they have not ended
  EXPECT_EQ(services_.asked_sts, 4);
  EXPECT_EQ(SignedBy(*signer), "ID1");
  EXPECT_EQ(services_.asked_sts, 4);  // and nobody asks again at once
  world_.RunFor(seconds(11));
  services_.sts_unwell = false;
  EXPECT_EQ(SignedBy(*signer), "ID5");
  world_.RunFor(minutes(70));
  services_.sts_unwell = true;
  EXPECT_NE(SignedBy(*signer).find("unavailable"), std::string::npos);
  EXPECT_EQ(signer->Describe(), "web identity (role arn:aws:iam::1:role/r, token of /var/token)");
}

TEST_F(CredentialsTest, KeysThatHaveEndedAlreadyAreAskedForOnceASecond) {
  SetWebIdentity();
  services_.life = minutes(-5);
  const auto signer = MakeSigner("web-identity");
  const std::string told = SignedBy(*signer);
  EXPECT_NE(told.find("gives keys that have ended, at "), std::string::npos) << told;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(SignedBy(*signer).substr(0, 10), told.substr(0, 10));
  EXPECT_EQ(services_.asked_sts, 1);
  services_.life = minutes(60);
  world_.RunFor(seconds(2));
  EXPECT_EQ(SignedBy(*signer), "ID2");
}

Task<void> SignOne(Env& env, std::shared_ptr<S3Signer> signer, Call call, Code* code) {
  HttpRequest request{.url = "https://h/a"};
  const auto result = co_await signer->Sign(env, request, call);
  *code = result ? Code::kAlreadyExists : result.error().code();
}

Task<void> SignMany(Env& env, std::shared_ptr<S3Signer> signer, std::vector<Code>* codes) {
  TaskGroup group(env.executor);
  CancelSource cancel;
  // The first one, who looks, gives up; so does one who waits for him.
  for (size_t i = 0; i < codes->size(); ++i) {
    const Call call = i < 2 ? Call{.cancel = cancel.token()} : Call{};
    group.Spawn(SignOne(env, signer, call, &(*codes)[i]));
  }
  (void)co_await env.clock.Sleep(std::chrono::microseconds(100));
  cancel.Cancel();
  co_await group.Join();
}

TEST_F(CredentialsTest, ManyWaitForOneLook) {
  SetWebIdentity();
  const auto signer = MakeSigner("web-identity");
  std::vector<Code> codes(20);
  world_.Run(SignMany(env(), signer, &codes));
  EXPECT_EQ(codes[0], Code::kCancelled);
  EXPECT_EQ(codes[1], Code::kCancelled);
  for (size_t i = 2; i < codes.size(); ++i) EXPECT_EQ(codes[i], Code::kAlreadyExists) << i;
  EXPECT_LE(services_.asked_sts, 2);
}

TEST_F(CredentialsTest, AFailedLookIsToldToAllWhoAskSoonAfter) {
  SetWebIdentity();
  services_.good_token = "other";
  const auto signer = MakeSigner("web-identity");
  std::vector<Code> codes(20);
  world_.Run(SignMany(env(), signer, &codes));
  for (size_t i = 2; i < codes.size(); ++i) EXPECT_EQ(codes[i], Code::kPermissionDenied) << i;
  EXPECT_LE(services_.asked_sts, 2);
}

TEST_F(CredentialsTest, RefusedKeysAreLookedForAgain) {
  Write("/run/secret", "aws_access_key_id=A\naws_secret_access_key=hunter2\n");
  const auto signer = MakeSigner("file:/run/secret");
  EXPECT_EQ(SignedBy(*signer), "A");
  Write("/run/secret", "aws_access_key_id=B\naws_secret_access_key=hunter2\n");
  world_.RunFor(seconds(10));
  EXPECT_EQ(SignedBy(*signer), "A");
  EXPECT_TRUE(signer->Refused());
  EXPECT_EQ(SignedBy(*signer), "B");
  around_.variables = {{"AWS_ACCESS_KEY_ID", "V"}, {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
  const auto fixed = MakeSigner("env");
  EXPECT_EQ(SignedBy(*fixed), "V");
  EXPECT_FALSE(fixed->Refused());  // variables are read once
}

TEST_F(CredentialsTest, WithoutKeysItSaysWhereItLooked) {
  const auto signer = MakeSigner("");
  const std::string told = SignedBy(*signer);
  EXPECT_NE(told.find("AWS_ACCESS_KEY_ID is not set"), std::string::npos) << told;
  EXPECT_NE(told.find("credentials=anonymous"), std::string::npos) << told;
}

}  // namespace
}  // namespace forebay::s3
