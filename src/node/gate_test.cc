#include "src/node/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>

#include "src/node/token_file.h"

// ThreadSanitizer brings its own operator new, which a program linked statically cannot replace.
#if __has_feature(thread_sanitizer)
#define FOREBAY_COUNTS_ALLOCATIONS 0
#else
#define FOREBAY_COUNTS_ALLOCATIONS 1
#endif

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

#if FOREBAY_COUNTS_ALLOCATIONS
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif

namespace forebay {
namespace {

constexpr std::string_view kSecretA = "000102030405060708090a0b0c0d0e0f";
constexpr std::string_view kSecretB = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
constexpr uint32_t kOwnUid = 500;
const LocalAllow kEveryone;

std::string Line(std::string_view name, std::string_view secret, std::string_view grants) {
  return std::string(name).append(" ").append(secret).append(" ").append(grants).append("\n");
}

std::unique_ptr<Gate> MakeGate(std::string tokens) {
  auto gate = Gate::Create({.token_file_text = std::move(tokens), .own_uid = kOwnUid});
  EXPECT_TRUE(gate.has_value()) << gate.error().ToString();
  return gate ? std::move(*gate) : nullptr;
}

Result<Authenticated> Enter(const Gate& gate, std::string_view name) {
  const auto transcript = AsBytes("what both sides said");
  const auto proof = gate.ProveToken(name, transcript);
  if (!proof) return Fail(proof.error());
  return gate.AdmitToken(name, transcript, AsBytes(*proof));
}

bool May(const Gate& gate, const Authenticated& who, Rights rights, std::string_view attachment,
         const LocalAllow& allow = kEveryone) {
  const auto checked = gate.Check(who, rights, {attachment, allow});
  if (!checked) EXPECT_EQ(checked.error().code(), Code::kPermissionDenied);
  return checked.has_value();
}

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

TEST(LocalAllow, IsReadAndPrinted) {
  const auto allow = LocalAllow::Parse("uid:1000,gid:7,uid:3,uid:1000");
  ASSERT_TRUE(allow.has_value());
  EXPECT_EQ(allow->ToString(), "uid:3,uid:1000,gid:7");
  EXPECT_EQ(LocalAllow::Parse("")->ToString(), "");
  for (const char* bad : {"1000", "uid:", "uid:x", "uid:1x", "uid:4294967296", "uid:-1", "user:1",
                          "uid:1,,gid:2", "uid:1 ,gid:2"}) {
    const auto parsed = LocalAllow::Parse(bad);
    ASSERT_EQ(CodeOf(parsed), Code::kInvalidArgument) << bad;
    EXPECT_NE(parsed.error().message().find("uid:"), std::string::npos) << bad;
  }
}

TEST(LocalAllow, AdmitsItsUsersAndGroups) {
  const LocalAllow allow{.uids = {5}, .gids = {7}};
  EXPECT_TRUE(allow.Admits({.uid = 5, .gid = 1}));
  EXPECT_TRUE(allow.Admits({.uid = 6, .gid = 7}));
  EXPECT_FALSE(allow.Admits({.uid = 6, .gid = 5}));
  EXPECT_TRUE(LocalAllow{}.Admits({.uid = 6, .gid = 5}));
}

TEST(Gate, RootAndTheNodesUserMayDoEverythingOthersWhatTheyAreAllowed) {
  const auto gate = MakeGate("");
  const LocalAllow only{.uids = {1000}};
  for (const uint32_t uid : {0u, kOwnUid}) {
    const auto who = gate->AdmitLocal({.uid = uid});
    EXPECT_TRUE(May(*gate, who, kAllRights, "data", only));
    EXPECT_TRUE(gate->CheckAdmin(who));
  }
  EXPECT_TRUE(May(*gate, gate->AdmitSelf(), kAllRights, "data", only));
  const auto friendly = gate->AdmitLocal({.uid = 1000});
  EXPECT_TRUE(May(*gate, friendly, kRead | kWrite | kList, "data", only));
  EXPECT_FALSE(May(*gate, friendly, kAdmin, "data", only));
  EXPECT_EQ(CodeOf(gate->CheckAdmin(friendly)), Code::kPermissionDenied);
  const auto stranger = gate->AdmitLocal({.uid = 1001});
  EXPECT_FALSE(May(*gate, stranger, kRead, "data", only));
  EXPECT_TRUE(May(*gate, stranger, kRead, "data"));
}

TEST(Gate, ARefusalNamesCallerAttachmentAndRight) {
  const auto gate = MakeGate(Line("reader", kSecretA, "/images:rl"));
  const auto who = Enter(*gate, "reader");
  ASSERT_TRUE(who.has_value());
  const auto refused = gate->Check(*who, kRead | kWrite, {"images", kEveryone});
  ASSERT_EQ(CodeOf(refused), Code::kPermissionDenied);
  EXPECT_EQ(refused.error().message(), "token reader has no right to write in /images");
}

TEST(Gate, TokensHaveTheRightsOfTheirLine) {
  const auto gate = MakeGate("# people\n\n" + Line("reader", kSecretA, "/images:rl,/train:rw") +
                             Line("boss", kSecretB, "*:a,/images:r"));
  EXPECT_TRUE(gate->has_tokens());
  const auto reader = Enter(*gate, "reader"), boss = Enter(*gate, "boss");
  ASSERT_TRUE(reader && boss);
  EXPECT_EQ(reader->who(), "token reader");
  EXPECT_TRUE(May(*gate, *reader, kRead | kList, "images"));
  EXPECT_FALSE(May(*gate, *reader, kWrite, "images"));
  EXPECT_TRUE(May(*gate, *reader, kWrite, "train"));
  EXPECT_FALSE(May(*gate, *reader, kRead, "other"));
  EXPECT_FALSE(gate->CheckAdmin(*reader));
  EXPECT_TRUE(May(*gate, *boss, kRead | kAdmin, "images"));
  EXPECT_FALSE(May(*gate, *boss, kRead, "train"));
  EXPECT_TRUE(gate->CheckAdmin(*boss));
}

TEST(Gate, UnknownNamesAndWrongProofsAreRefusedAlike) {
  const auto gate = MakeGate(Line("reader", kSecretA, "*:r"));
  const auto transcript = AsBytes("this connection");
  const std::string proof = *gate->ProveToken("reader", transcript);
  ASSERT_EQ(proof.size(), 32u);
  ASSERT_TRUE(gate->AdmitToken("reader", transcript, AsBytes(proof)));
  std::string bent = proof;
  bent.back() ^= 1;
  const auto unknown = gate->AdmitToken("nobody", transcript, AsBytes(proof));
  ASSERT_EQ(CodeOf(unknown), Code::kUnauthenticated);
  const Result<Authenticated> others[] = {
      gate->AdmitToken("reader", transcript, AsBytes(bent)),
      gate->AdmitToken("reader", transcript, AsBytes(proof).first(31)),
      gate->AdmitToken("reader", transcript, {}),
      gate->AdmitToken("reader", AsBytes("another connection"), AsBytes(proof)),
      gate->AdmitToken("", transcript, AsBytes(proof)),
  };
  for (const auto& other : others) {
    ASSERT_EQ(CodeOf(other), Code::kUnauthenticated);
    EXPECT_EQ(other.error().message(), unknown.error().message());
  }
  EXPECT_EQ(CodeOf(gate->ProveToken("nobody", transcript)), Code::kUnauthenticated);
}

TEST(Gate, TheProofIsHmacSha256) {
  // RFC 4231, test case 1: a key of 20 bytes 0x0b, the text "Hi There".
  const auto gate = MakeGate(Line("t", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "*:r"));
  const std::string proof = *gate->ProveToken("t", AsBytes("Hi There"));
  EXPECT_EQ(LoadFrom<uint32_t>(proof.data()), 0x614c34b0u);  // b0 34 4c 61
  EXPECT_EQ(LoadFrom<uint32_t>(proof.data() + 28), 0xf7cf322eu);
}

TEST(Gate, ReplacedTokensCountAtOnceInOpenConnections) {
  const auto gate = MakeGate(Line("a", kSecretA, "/data:rw") + Line("b", kSecretB, "/data:r"));
  const auto a = Enter(*gate, "a"), b = Enter(*gate, "b");
  ASSERT_TRUE(a && b);
  // Fewer rights, and a name whose secret is another's now.
  ASSERT_TRUE(gate->ReplaceTokens(Line("a", kSecretA, "/data:r") + Line("b", kSecretA, "*:rwla")));
  EXPECT_TRUE(May(*gate, *a, kRead, "data"));
  EXPECT_FALSE(May(*gate, *a, kWrite, "data"));
  EXPECT_FALSE(May(*gate, *b, kRead, "data"));
  EXPECT_TRUE(May(*gate, *Enter(*gate, "b"), kAllRights, "data"));
  // What cannot be read changes nothing.
  EXPECT_FALSE(gate->ReplaceTokens("a\n"));
  EXPECT_TRUE(May(*gate, *a, kRead, "data"));
  ASSERT_TRUE(gate->ReplaceTokens(""));
  EXPECT_FALSE(May(*gate, *a, kRead, "data"));
  EXPECT_FALSE(gate->has_tokens());
}

TEST(Gate, LoopbackIsLetInOnlyWhileThereAreNoTokens) {
  const auto gate = MakeGate("");
  const auto who = gate->AdmitLoopback();
  ASSERT_TRUE(who.has_value());
  EXPECT_TRUE(May(*gate, *who, kRead | kWrite | kList, "data"));
  EXPECT_FALSE(May(*gate, *who, kAdmin, "data"));
  EXPECT_FALSE(gate->CheckAdmin(*who));
  EXPECT_FALSE(May(*gate, *who, kRead, "data", LocalAllow{.uids = {1000}}));
  ASSERT_TRUE(gate->ReplaceTokens(Line("a", kSecretA, "*:r")));
  EXPECT_FALSE(May(*gate, *who, kRead, "data"));
  EXPECT_EQ(CodeOf(gate->AdmitLoopback()), Code::kUnauthenticated);
}

TEST(Gate, AYesCostsNoAllocation) {
  if (!FOREBAY_COUNTS_ALLOCATIONS) GTEST_SKIP() << "ThreadSanitizer counts by itself";
  const auto gate = MakeGate(Line("a", kSecretA, "/data:r,/other:rl"));
  const auto token = Enter(*gate, "a");
  const auto local = gate->AdmitLocal({.uid = 1000});
  const LocalAllow allow{.uids = {1000}};
  const uint64_t before = allocations;
  bool yes = true;
  for (int i = 0; i < 100; ++i) {
    yes = yes && gate->Check(*token, kRead, {"data", allow}) &&
          gate->Check(local, kRead, {"data", allow});
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0u);  // they are counted
  EXPECT_TRUE(yes);
}

TEST(Gate, TokensAreReplacedWhileOthersAsk) {
  const auto gate = MakeGate(Line("a", kSecretA, "/data:r"));
  const auto who = Enter(*gate, "a");
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> asked = 0;
  std::thread asker([&] {
    while (!stop) {
      (void)gate->Check(*who, kRead, {"data", kEveryone});
      (void)Enter(*gate, "a");
      ++asked;
    }
  });
  for (int i = 0; i < 300 || asked < 300; ++i) {
    const bool gone = i % 3 == 0;
    const auto replaced = gate->ReplaceTokens(gone ? "" : Line("a", kSecretA, "/data:rl"));
    EXPECT_TRUE(replaced.has_value());
  }
  stop = true;
  asker.join();
}

TEST(TokenFile, BadLinesAreNamedByNumberAndNothingOfThemIsTold) {
  struct Case {
    std::string line;
    std::string_view told;
  };
  const Case cases[] = {
      {"lonely", "NAME SECRET-IN-HEX"},
      {"name " + std::string(kSecretA), "fewer than three"},
      {Line("name", kSecretA, "/data:r /more:r"), "without spaces"},
      {Line(kSecretA, "name", "/data:r"), "second word"},
      {Line("na/me", kSecretA, "/data:r"), "first word"},
      {Line("name", "0011", "/data:r"), "openssl rand -hex"},
      {Line("name", std::string(kSecretA) + "0", "/data:r"), "second word"},
      {Line("name", std::string(31, '0') + "g", "/data:r"), "second word"},
      {Line("name", kSecretA, "/data"), "without ':'"},
      {Line("name", kSecretA, "/data:"), "rights are"},
      {Line("name", kSecretA, "/data:rx"), "rights are"},
      {Line("name", kSecretA, "/data:rr"), "rights are"},
      {Line("name", kSecretA, "data:r"), "attachment is /"},
      {Line("name", kSecretA, "/Da:r"), "attachment is /"},
      {Line("name", kSecretA, "/data:r,"), "without ':'"},
      {Line("name", kSecretA, "/data:r,/data:w"), "twice"},
      {Line("name", kSecretA, "*:r,/*:w"), "twice"},
  };
  for (const auto& [line, told] : cases) {
    const auto parsed = ParseTokenFile("# first\n" + line);
    ASSERT_EQ(CodeOf(parsed), Code::kInvalidArgument) << line;
    EXPECT_NE(parsed.error().message().find("line 2: "), std::string::npos) << line;
    EXPECT_NE(parsed.error().message().find(told), std::string::npos) << parsed.error().message();
    EXPECT_EQ(parsed.error().message().find(kSecretA), std::string::npos) << line;
  }
  EXPECT_FALSE(ParseTokenFile(Line("a", kSecretA, "*:r") + Line("a", kSecretB, "*:r")));
  EXPECT_FALSE(ParseTokenFile(std::string(kMaxTokenFileBytes + 1, '\n')));
}

TEST(TokenFile, IsBounded) {
  std::string text;
  for (size_t i = 0; i < kMaxTokens; ++i) text += Line("t" + std::to_string(i), kSecretA, "*:r");
  EXPECT_TRUE(ParseTokenFile(text));
  EXPECT_FALSE(ParseTokenFile(text + Line("more", kSecretA, "*:r")));
}

}  // namespace
}  // namespace forebay
