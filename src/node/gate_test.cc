#include "src/node/gate.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/wire/handshake.h"

namespace forebay {
namespace {

using testing::HasSubstr;

const std::string kSecretHex(64, 'a');
const std::string kSecret(32, '\xaa');

std::unique_ptr<Gate> GateWith(std::string_view tokens) {
  auto gate = Gate::Create({.token_file_text = std::string(tokens), .own_uid = 500});
  EXPECT_TRUE(gate) << gate.error().ToString();
  return std::move(*gate);
}

Result<Authenticated> Come(const Gate& gate, std::string_view name, const std::string& secret) {
  const wire::Proof proof = wire::Prove(secret, "both hellos");
  return gate.AdmitToken(name, AsBytes("both hellos"), proof);
}

const LocalAllow kEveryone;
GuardedAttachment Open(std::string_view name) {
  return {name, kEveryone};
}

Code CodeOf(const Result<void>& result) {
  return result ? Code::kInternal : result.error().code();
}

TEST(LocalAllowTest, IsReadBackAsItWasWritten) {
  const auto allow = LocalAllow::Parse("uid:1000,gid:100,uid:7");
  ASSERT_TRUE(allow);
  EXPECT_EQ(allow->ToString(), "uid:1000,uid:7,gid:100");
  EXPECT_TRUE(allow->Admits({.uid = 7, .gid = 1}));
  EXPECT_TRUE(allow->Admits({.uid = 8, .gid = 100}));
  EXPECT_FALSE(allow->Admits({.uid = 8, .gid = 7}));
  for (const char* bad : {"1000", "uid:", "uid:x", "uid:-1", "uid:99999999999", "user:7", ","}) {
    EXPECT_FALSE(LocalAllow::Parse(bad)) << bad;
  }
}

TEST(GateTest, RootAndTheNodesOwnUserMayDoEverything) {
  const auto gate = GateWith("");
  const auto closed = LocalAllow::Parse("uid:1000").value();
  for (const uint32_t uid : {0u, 500u}) {
    const Authenticated who = gate->AdmitLocal({.uid = uid, .gid = 9});
    EXPECT_TRUE(gate->Check(who, kAllRights, {"a", closed}));
    EXPECT_TRUE(gate->CheckAdmin(who));
  }
  EXPECT_TRUE(gate->CheckAdmin(gate->AdmitSelf()));
}

TEST(GateTest, OtherUsersMayUseWhatAdmitsThemAndAdministerNothing) {
  const auto gate = GateWith("");
  const auto closed = LocalAllow::Parse("uid:1000").value();
  const Authenticated friendly = gate->AdmitLocal({.uid = 1000, .gid = 9});
  const Authenticated stranger = gate->AdmitLocal({.uid = 1001, .gid = 9});
  EXPECT_TRUE(gate->Check(friendly, kRead | kWrite | kList, {"a", closed}));
  EXPECT_TRUE(gate->Check(stranger, kRead, Open("a")));
  const auto refused = gate->Check(stranger, kRead | kList, {"a", closed});
  ASSERT_EQ(CodeOf(refused), Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("uid 1001 has no right to read, list /a"));
  EXPECT_EQ(CodeOf(gate->Check(friendly, kAdmin, {"a", closed})), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->CheckAdmin(friendly)), Code::kPermissionDenied);
}

TEST(GateTest, SomebodyByLoopbackIsTheLeastOfAll) {
  const auto gate = GateWith("");
  const auto somebody = gate->AdmitLoopback();
  ASSERT_TRUE(somebody);
  EXPECT_TRUE(gate->Check(*somebody, kRead | kWrite | kList, Open("a")));
  const auto closed = LocalAllow::Parse("gid:1").value();
  EXPECT_EQ(CodeOf(gate->Check(*somebody, kRead, {"a", closed})), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->CheckAdmin(*somebody)), Code::kPermissionDenied);
  ASSERT_TRUE(gate->ReplaceTokens("t " + kSecretHex + " *:r"));
  EXPECT_EQ(CodeOf(gate->Check(*somebody, kRead, Open("a"))), Code::kPermissionDenied);
  EXPECT_FALSE(gate->AdmitLoopback());
}

TEST(GateTest, AnEmptyTokenFileLetsNobodyIn) {
  auto gate = Gate::Create({.token_file_text = "# nobody yet", .tokens_required = true});
  ASSERT_TRUE(gate);
  EXPECT_TRUE((*gate)->has_tokens());
  EXPECT_FALSE((*gate)->AdmitLoopback());
}

TEST(GateTest, ATokenOpensWhatItNames) {
  const auto gate =
      GateWith("# readers\nreader " + kSecretHex + " /a:rl,/b:w\n\nboss " + kSecretHex + " *:rwla");
  const auto reader = Come(*gate, "reader", kSecret);
  ASSERT_TRUE(reader) << reader.error().ToString();
  EXPECT_TRUE(gate->Check(*reader, kRead | kList, Open("a")));
  EXPECT_EQ(CodeOf(gate->Check(*reader, kWrite, Open("a"))), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->Check(*reader, kRead, Open("b"))), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->Check(*reader, kRead, Open("c"))), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->CheckAdmin(*reader)), Code::kPermissionDenied);
  const auto boss = Come(*gate, "boss", kSecret);
  ASSERT_TRUE(boss);
  EXPECT_TRUE(gate->Check(*boss, kAllRights, Open("c")));
  EXPECT_TRUE(gate->CheckAdmin(*boss));
}

TEST(GateTest, AnUnknownNameAndAWrongProofAreRefusedAlike) {
  const auto gate = GateWith("reader " + kSecretHex + " *:r");
  const auto wrong = Come(*gate, "reader", std::string(32, 'x'));
  const auto unknown = Come(*gate, "nobody", kSecret);
  const auto guessed = Come(*gate, "nobody", std::string(16, '\0'));
  const auto empty = gate->AdmitToken("reader", AsBytes("both hellos"), {});
  for (const auto& refused : {wrong, unknown, guessed, empty}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().ToString(), wrong.error().ToString());
    EXPECT_EQ(refused.error().code(), Code::kUnauthenticated);
  }
}

TEST(GateTest, ReplacedTokensCountAtOnceInOpenConnections) {
  const auto gate = GateWith("t " + kSecretHex + " /a:r\ngone " + kSecretHex + " /a:r");
  const auto kept = Come(*gate, "t", kSecret), gone = Come(*gate, "gone", kSecret);
  ASSERT_TRUE(kept && gone);
  ASSERT_TRUE(gate->ReplaceTokens("t " + kSecretHex + " /b:r"));
  EXPECT_FALSE(gate->Check(*kept, kRead, Open("a")));
  EXPECT_TRUE(gate->Check(*kept, kRead, Open("b")));
  EXPECT_FALSE(gate->Check(*gone, kRead, Open("a")));
  // A new secret is a new token.
  ASSERT_TRUE(gate->ReplaceTokens("t " + std::string(64, 'b') + " /b:r"));
  EXPECT_FALSE(gate->Check(*kept, kRead, Open("b")));
}

Result<Authenticated> Sign(const Gate& gate, std::string_view key, std::string_view secret) {
  return gate.AdmitKey(key, [secret](std::string_view known) { return known == secret; });
}

std::unique_ptr<Gate> GateWithKeys(std::string_view keys) {
  auto gate = Gate::Create({.key_file_text = std::string(keys), .keys_required = true});
  EXPECT_TRUE(gate) << gate.error().ToString();
  return std::move(*gate);
}

TEST(GateKeys, OpenWhatTheyName) {
  const auto gate =
      GateWithKeys("# keys\nREADER\tsecret/of+reader= /a:rl,/b:w\nboss  bosssecret  *:rwla\n");
  const auto reader = Sign(*gate, "READER", "secret/of+reader=");
  ASSERT_TRUE(reader) << reader.error().ToString();
  EXPECT_TRUE(gate->Check(*reader, kRead | kList, Open("a")));
  EXPECT_EQ(CodeOf(gate->Check(*reader, kWrite, Open("a"))), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(gate->CheckAdmin(*reader)), Code::kPermissionDenied);
  EXPECT_TRUE(gate->CheckAdmin(*Sign(*gate, "boss", "bosssecret")));
  EXPECT_EQ(Sign(*gate, "READER", "other").error().code(), Code::kUnauthenticated);
  EXPECT_EQ(Sign(*gate, "nobody", "secret").error().code(), Code::kNotFound);
  EXPECT_EQ(gate->AdmitUnsigned().error().code(), Code::kUnauthenticated);
}

TEST(GateKeys, WhatIsNotSignedGetsWhatIsSaidOfIt) {
  const auto gate = GateWithKeys("anonymous /open:r");
  const auto anybody = gate->AdmitUnsigned();
  ASSERT_TRUE(anybody);
  EXPECT_TRUE(gate->Check(*anybody, kRead, Open("open")));
  EXPECT_FALSE(gate->Check(*anybody, kList, Open("open")));
  EXPECT_FALSE(gate->Check(*anybody, kRead, Open("else")));
  // Nobody signs as anonymous, with no secret at all.
  EXPECT_EQ(Sign(*gate, "anonymous", "").error().code(), Code::kNotFound);
  ASSERT_TRUE(gate->ReplaceKeys(""));
  EXPECT_FALSE(gate->Check(*anybody, kRead, Open("open")));
  EXPECT_FALSE(gate->AdmitUnsigned());
}

TEST(GateKeys, WithoutAFileOfThemWhatIsNotSignedComesAsByLoopback) {
  const auto open = Gate::Create({});
  EXPECT_TRUE((*open)->AdmitUnsigned());
  EXPECT_FALSE((*open)->has_keys());
  const auto tokens = GateWith("reader " + kSecretHex + " *:r");
  EXPECT_FALSE(tokens->AdmitUnsigned());
}

TEST(GateKeys, ReplacedKeysCountAtOnce) {
  const auto gate = GateWithKeys("k secret-one /a:r\ngone secret-two /a:r");
  const auto kept = Sign(*gate, "k", "secret-one"), gone = Sign(*gate, "gone", "secret-two");
  ASSERT_TRUE(kept && gone);
  const uint64_t before = gate->key_generation();
  ASSERT_TRUE(gate->ReplaceKeys("k secret-one /b:r"));
  EXPECT_NE(gate->key_generation(), before);  // who has derived anything from a secret hears of it
  EXPECT_FALSE(gate->Check(*kept, kRead, Open("a")));
  EXPECT_TRUE(gate->Check(*kept, kRead, Open("b")));
  EXPECT_FALSE(gate->Check(*gone, kRead, Open("a")));
}

TEST(GateKeys, ABadFileNamesTheLineAndNotTheSecretAndChangesNothing) {
  const auto gate = GateWithKeys("k top-secret /a:r");
  for (const char* bad :
       {"\nk top-secret", "\nk short /a:r", "\nk top-secret more /a:r", "\nk/x top-secret /a:r",
        "\nk top-secret a:r", "k top-secret /a:r\nk top-secret /a:r"}) {
    const auto replaced = gate->ReplaceKeys(bad);
    ASSERT_EQ(CodeOf(replaced), Code::kInvalidArgument) << bad;
    EXPECT_THAT(replaced.error().message(), HasSubstr("line 2"));
    EXPECT_THAT(replaced.error().message(), testing::Not(HasSubstr("top-secret")));
    EXPECT_TRUE(Sign(*gate, "k", "top-secret"));
  }
}

TEST(GateTest, ABadTokenFileNamesTheLineAndNotTheSecretAndChangesNothing) {
  const auto gate = GateWith("t " + kSecretHex + " /a:r");
  const auto kept = Come(*gate, "t", kSecret);
  ASSERT_TRUE(kept);
  for (const char* pattern :
       {"ok {0} /a:r\nt", "\nt {0}", "\nt {0}zz /a:r", "\nt aabb /a:r", "\nt {0} a:r",
        "\nt {0} /a:x", "\nt {0} /a:", "t {0} /a:r\nt {0} /a:r"}) {
    const std::string bad = fmt::format(fmt::runtime(pattern), kSecretHex);
    const auto replaced = gate->ReplaceTokens(bad);
    ASSERT_EQ(CodeOf(replaced), Code::kInvalidArgument) << bad;
    EXPECT_THAT(replaced.error().message(), HasSubstr("line 2"));
    EXPECT_THAT(replaced.error().message(), testing::Not(HasSubstr("aaaa")));
    EXPECT_TRUE(gate->Check(*kept, kRead, Open("a")));
  }
}

}  // namespace
}  // namespace forebay
