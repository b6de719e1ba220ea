// The S3 door on several loops before the real node, on real sockets: what clients do at the same
// time on all of them. The thread sanitizer is the judge of most of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>

#include "src/base/prng.h"
#include "src/base/test_tier.h"
#include "src/base/units.h"
#include "src/front/http/server.h"
#include "src/front/s3/door.h"
#include "src/front/tls/layer.h"
#include "src/front/tls/testing/certificates.h"
#include "src/front/tls/testing/client.h"
#include "src/node/testing/node_fixture.h"
#include "src/origin/s3/signing.h"
#include "src/platform/linux/loop_threads.h"
#include "src/platform/linux/test_loop.h"
#include "src/runtime/run_on.h"

namespace forebay::s3door {
namespace {

using namespace std::chrono_literals;
using node_testing::FillContent;
using node_testing::IsContent;

constexpr size_t kFurtherLoops = 3;
constexpr size_t kClientLoops = 2;
constexpr uint64_t kLargeBytes = 3 * kMiB + 17;
constexpr uint64_t kSmallBytes = 6'000;
constexpr int kLarge = 8;
constexpr int kSmall = 100;
constexpr uint64_t kPinnedBytes = 6 * kMiB;  // of three windows: who comes next is copied for
const std::string kKeys = "anonymous *:rwla\nreader of-all-of-them *:r\n";

uint64_t LargeSeed(uint64_t i) {
  return 1000 + i;
}
uint64_t SmallSeed(uint64_t i) {
  return 5000 + i;
}

struct Answer {
  int status = 0;  // 0: the connection ended before
  std::string head;
  std::string body;
  std::string Header(std::string_view name) const {
    const size_t at = head.find(fmt::format("\r\n{}: ", name));
    if (at == head.npos) return {};
    const size_t begin = at + 4 + name.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

/// One connection of a client, plain or by TLS.
class Wire {
 public:
  static Task<std::unique_ptr<Wire>> Connect(Env* env, std::string address, bool by_tls) {
    auto wire = std::make_unique<Wire>();
    auto stream = co_await env->net.Connect(std::move(address), {});
    EXPECT_TRUE(stream) << stream.error().ToString();
    if (!stream) co_return wire;
    if (!by_tls) {
      wire->plain_ = std::move(*stream);
      co_return wire;
    }
    wire->tls_ = std::make_unique<tls::TestClient>(std::move(*stream), tls::TestClientOptions{});
    const auto shaken = co_await wire->tls_->Shake({});
    EXPECT_TRUE(shaken) << shaken.error().ToString();
    co_return wire;
  }

  Task<bool> Send(std::string text) {
    if (tls_ != nullptr) co_return (co_await tls_->Send(std::move(text), {})).has_value();
    const Bytes parts[] = {AsBytes(text)};
    co_return (co_await plain_->Send(parts, {})).has_value();
  }

  Task<Answer> Receive(bool has_body) {
    Answer answer;
    while (answer.head.find("\r\n\r\n") == std::string::npos) {
      if (!co_await More(&answer.head)) co_return Answer{};
    }
    const size_t end = answer.head.find("\r\n\r\n") + 4;
    answer.body = answer.head.substr(end);
    answer.head.resize(end);
    const std::string length = answer.Header("Content-Length");
    uint64_t size = 0;
    std::from_chars(length.data(), length.data() + length.size(), size);
    while (has_body && answer.body.size() < size) {
      if (!co_await More(&answer.body)) co_return Answer{};
    }
    std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
    co_return answer;
  }

  void Break() { (tls_ != nullptr ? tls_->stream() : *plain_).Shutdown(); }

 private:
  Task<bool> More(std::string* text) {
    std::vector<std::byte> piece(64 * kKiB);
    const auto got =
        tls_ != nullptr ? co_await tls_->Recv(piece, {}) : co_await plain_->Recv(piece, {});
    if (!got || *got == 0) co_return false;
    *text += AsText(Bytes(piece).first(*got));
    co_return true;
  }

  std::unique_ptr<Stream> plain_;
  std::unique_ptr<tls::TestClient> tls_;
};

/// Somebody who does everything that one can do, at random, and compares every byte.
class Somebody {
 public:
  Somebody(Env& env, std::string address, bool by_tls, uint64_t number)
      : env_(env), address_(std::move(address)), by_tls_(by_tls), number_(number), prng_(number) {}

  Task<void> Do(int steps) {
    co_await Connect();
    for (int i = 0; i < steps; ++i) co_await Step();
    wire_.reset();  // on its own loop
  }

 private:
  Task<void> Connect() {
    wire_.reset();
    wire_ = co_await Wire::Connect(&env_, address_, by_tls_);
  }
  Task<Answer> Ask(std::string method, std::string target, std::string headers = "",
                   std::string body = "") {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: x\r\n{}", method, target, headers);
    if (method[0] == 'P') text += fmt::format("Content-Length: {}\r\n", body.size());
    EXPECT_TRUE(co_await wire_->Send(text + "\r\n" + body));
    Answer answer = co_await wire_->Receive(method != "HEAD");
    EXPECT_NE(answer.status, 0) << method << " " << target;
    if (answer.status == 0 || answer.Header("Connection") == "close") co_await Connect();
    co_return answer;
  }

  Task<void> Step() {
    switch (prng_.Below(16)) {
      case 0:
        return Writes();
      case 1:
        return WritesParts();
      case 2:
        return Lists();
      case 3:
        return Copies();
      case 4:
        return Breaks();
      case 5:
        return BreaksAWrite();
      case 6:
        return Misses();
      case 7:
      case 8:
        return SignsItsGet();
      case 9:
        return DeletesMany();
      case 10:
      case 11:
        return GetsLarge();
      default:
        return GetsSmall();
    }
  }

  Task<void> GetsSmall() {
    const uint64_t i = prng_.Below(kSmall);
    const Answer got = co_await Ask("GET", fmt::format("/data/s{}", i));
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(got.body.size(), kSmallBytes);
    EXPECT_TRUE(IsContent(SmallSeed(i), 0, AsBytes(got.body)));
    const Answer head = co_await Ask("HEAD", fmt::format("/data/s{}", i));
    EXPECT_EQ(head.Header("ETag"), got.Header("ETag"));
  }
  Task<void> GetsLarge() {
    const uint64_t i = prng_.Below(kLarge), begin = prng_.Below(kLargeBytes);
    const uint64_t end = begin + prng_.Below(kLargeBytes - begin);
    const Answer got = co_await Ask("GET", fmt::format("/data/l{}", i),
                                    fmt::format("Range: bytes={}-{}\r\n", begin, end));
    EXPECT_EQ(got.status, 206) << got.body;
    EXPECT_EQ(got.body.size(), end - begin + 1);
    EXPECT_TRUE(IsContent(LargeSeed(i), begin, AsBytes(got.body)));
  }
  Task<void> Misses() {
    EXPECT_EQ((co_await Ask("GET", "/data/none")).status, 404);
    EXPECT_EQ((co_await Ask("GET", "/none/none")).status, 404);
    EXPECT_EQ((co_await Ask("HEAD", "/data")).status, 200);
  }
  Task<void> SignsItsGet() {
    const uint64_t i = prng_.Below(kSmall);
    const std::string moment = http_origin::BasicIsoDate(env_.clock.WallNanos());
    const std::string scope = s3::ScopeOf(moment.substr(0, 8), "us-east-1");
    const auto key = s3::SigningKeyOf("of-all-of-them", moment.substr(0, 8), "us-east-1");
    const std::string canonical = fmt::format(
        "GET\n/data/s{}\n\nhost:x\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{}\n\n"
        "host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD",
        i, moment);
    const std::string headers = fmt::format(
        "x-amz-date: {}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=reader/{}, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}\r\n",
        moment, scope, s3::Sign(key, s3::TextToSign(canonical, moment, scope)));
    const Answer got = co_await Ask("GET", fmt::format("/data/s{}", i), headers);
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_TRUE(IsContent(SmallSeed(i), 0, AsBytes(got.body)));
    const Answer refused = co_await Ask("GET", fmt::format("/data/s{}", (i + 1) % kSmall), headers);
    EXPECT_EQ(refused.status, 403) << refused.body;
  }

  std::string OwnPath() const { return fmt::format("/data/w{}", number_); }
  std::string Content(uint64_t seed, size_t size) {
    std::string text(size, '\0');
    FillContent(seed, 0, std::as_writable_bytes(std::span(text)));
    return text;
  }
  Task<void> Reads(std::string path, std::string expected) {
    const Answer got = co_await Ask("GET", path);
    EXPECT_EQ(got.status, 200) << got.body;
    // The origin's double keeps the first word only, and makes the bytes of it.
    EXPECT_EQ(got.body.size(), expected.size());
    EXPECT_TRUE(IsContent(LoadFrom<uint64_t>(AsBytes(expected).data()), 0, AsBytes(got.body)));
  }
  Task<void> Writes() {
    const std::string body = Content(prng_.Next(), 8 + prng_.Below(300'000));
    const Answer put = co_await Ask("PUT", OwnPath(), "", body);
    EXPECT_EQ(put.status, 200) << put.body;
    co_await Reads(OwnPath(), body);
    EXPECT_EQ((co_await Ask("DELETE", OwnPath())).status, 204);
    EXPECT_EQ((co_await Ask("GET", OwnPath())).status, 404);
  }
  Task<void> WritesParts() {
    const std::string path = OwnPath() + "parts";
    const Answer begun = co_await Ask("POST", path + "?uploads");
    const size_t at = begun.body.find("<UploadId>") + 10;
    const std::string id = begun.body.substr(at, begun.body.find("</UploadId>") - at);
    const std::string body = Content(prng_.Next(), 20'000);
    const Answer put =
        co_await Ask("PUT", fmt::format("{}?partNumber=1&uploadId={}", path, id), "", body);
    EXPECT_EQ(put.status, 200) << put.body;
    const Answer listed = co_await Ask("GET", fmt::format("{}?uploadId={}", path, id));
    EXPECT_NE(listed.body.find("<PartNumber>1</PartNumber>"), std::string::npos) << listed.body;
    const bool aborts = prng_.Below(3) == 0;
    const Answer ended =
        aborts ? co_await Ask("DELETE", fmt::format("{}?uploadId={}", path, id))
               : co_await Ask("POST", fmt::format("{}?uploadId={}", path, id), "",
                              fmt::format("<CompleteMultipartUpload><Part><PartNumber>1"
                                          "</PartNumber><ETag>{}</ETag></Part>"
                                          "</CompleteMultipartUpload>",
                                          put.Header("ETag")));
    EXPECT_EQ(ended.status, aborts ? 204 : 200) << ended.body;
    if (!aborts) co_await Reads(path, body);
  }
  Task<void> Copies() {
    const uint64_t i = prng_.Below(kLarge);
    const std::string path = OwnPath() + "copy";
    const Answer copied =
        co_await Ask("PUT", path, fmt::format("x-amz-copy-source: /data/l{}\r\n", i));
    EXPECT_EQ(copied.status, 200) << copied.body;
    co_await Reads(path, Content(LargeSeed(i), kLargeBytes));
  }
  Task<void> DeletesMany() {
    const std::string body = fmt::format(
        "<Delete><Object><Key>w{}copy</Key></Object><Object><Key>w{}parts</Key></Object></Delete>",
        number_, number_);
    const Answer gone = co_await Ask("POST", "/data?delete", "", body);
    EXPECT_EQ(gone.status, 200) << gone.body;
  }
  Task<void> Lists() {
    const Answer listed = co_await Ask("GET", "/data?list-type=2&max-keys=50&start-after=l");
    EXPECT_EQ(listed.status, 200);
    EXPECT_NE(listed.body.find("<KeyCount>50</KeyCount>"), std::string::npos) << listed.body;
    EXPECT_EQ((co_await Ask("GET", "/")).status, 200);
  }
  /// Goes away while answers are on their way.
  Task<void> Breaks() {
    std::string text;
    for (int i = 0; i < 3; ++i) {
      text += fmt::format("GET /data/l{} HTTP/1.1\r\nHost: x\r\n\r\n", prng_.Below(kLarge));
    }
    EXPECT_TRUE(co_await wire_->Send(text));
    std::ignore = co_await env_.clock.Sleep(Duration(prng_.Below(2'000'000)));
    wire_->Break();
    co_await Connect();
  }
  Task<void> BreaksAWrite() {
    EXPECT_TRUE(co_await wire_->Send(
        fmt::format("PUT /data/left{} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{}",
                    number_, std::string(1000, 'x'))));
    std::ignore = co_await env_.clock.Sleep(Duration(prng_.Below(2'000'000)));
    wire_->Break();
    co_await Connect();
    EXPECT_EQ((co_await Ask("HEAD", fmt::format("/data/left{}", number_))).status, 404);
  }

  Env& env_;
  const std::string address_;
  const bool by_tls_;
  const uint64_t number_;
  Prng prng_;
  std::unique_ptr<Wire> wire_;
};

class S3OnLoops : public LoopTest {
 protected:
  void SetUp() override {
    LoopTest::SetUp();
    if (loop_ == nullptr) return;
    further_ = std::move(LoopThreads::Start(kFurtherLoops, {.io = GetParam()}).value());
    clients_ = std::move(LoopThreads::Start(kClientLoops, {.io = GetParam()}).value());
    for (int i = 0; i < kLarge; ++i) origin_.Set(fmt::format("l{}", i), LargeSeed(i), kLargeBytes);
    for (int i = 0; i < kSmall; ++i) origin_.Set(fmt::format("s{}", i), SmallSeed(i), kSmallBytes);
    origin_.behaviour.latency = 200us;
    origin_.behaviour.capabilities.attributes = true;  // so that they are asked for
    origin_.behaviour.capabilities.min_part_bytes = 0;
  }
  void Open(size_t connections = 1000, http::HttpLayer layer = {}) {
    gate_ = std::move(*Gate::Create({.key_file_text = kKeys}));
    registry_ = std::make_unique<node_testing::MemoryRegistry>(env(), registry_state_);
    NodeOptions options;
    options.store.dram.capacity_bytes = 20 * kMiB;  // less than there is, so that some is missed
    options.metadata_bytes = 4 * kMiB;
    const auto origins = [this](const AttachmentConfig&) -> Result<std::unique_ptr<Origin>> {
      return std::make_unique<node_testing::SharedOrigin>(origin_);
    };
    node_ = std::move(loop_->Run(Node::Open(env(), options, *gate_, *registry_, origins)).value());
    const AttachmentConfig config{.name = "data", .origin = "memory://test"};
    ASSERT_TRUE(loop_->Run(node_->Attach(gate_->AdmitSelf(), config, {})));
    listener_ = env().net.Listen("127.0.0.1:0").value();
    door_ = std::make_unique<S3Door>(
        env(), *node_,
        S3DoorOptions{.max_pinned_bytes = kPinnedBytes, .upload_secret = "of this test"},
        further_->envs());
    server_ = std::make_unique<http::HttpServer>(S3Door::Limits(connections), door_->loops(),
                                                 std::move(layer));
  }
  void TearDown() override {
    if (server_ != nullptr) EXPECT_EQ(server_->connections(), 0u);
    server_.reset();
    if (door_ != nullptr) EXPECT_EQ(door_->pinned_bytes(), 0u);
    door_.reset();
    listener_.reset();
    if (node_ != nullptr) loop_->Run(node_->Close(1s));
    node_.reset();
    registry_.reset();
    clients_.reset();
    further_.reset();
    LoopTest::TearDown();
  }

  /// Serves until `scene` is over, and then as long as it takes to stop.
  Task<void> Serve(Task<void> scene) {
    TaskGroup serving(env().executor);
    serving.Spawn(server_->Run(*listener_, stop_.token(), cut_.token()));
    co_await std::move(scene);
    stop_.Cancel();
    co_await serving.Join();
  }
  /// What an operator does meanwhile.
  Task<void> ReadKeysAgain(const bool* done) {
    while (!*done) {
      EXPECT_TRUE(gate_->ReplaceKeys(kKeys));
      std::ignore = co_await env().clock.Sleep(1ms);
    }
  }
  Task<void> ManyDo(size_t many, bool by_tls, int steps) {
    std::vector<std::unique_ptr<Somebody>> all;
    bool done = false;
    TaskGroup operators(env().executor), group(env().executor);
    operators.Spawn(ReadKeysAgain(&done));
    for (size_t i = 0; i < many; ++i) {
      Env& at = *clients_->envs()[i % kClientLoops];
      all.push_back(std::make_unique<Somebody>(at, listener_->address(), by_tls, i));
      group.Spawn(RunOn(at.executor, env().executor, all.back()->Do(steps)));
    }
    co_await group.Join();
    done = true;
    co_await operators.Join();
  }
  /// For a while.
  Task<void> Until(std::function<bool()> what) {
    const Instant until = env().clock.Now() + 20s;
    while (!what() && env().clock.Now() < until) {
      std::ignore = co_await env().clock.Sleep(1ms);
    }
    EXPECT_TRUE(what());
  }
  Task<void> ConnectMany(size_t most, size_t tries) {
    std::vector<std::unique_ptr<Wire>> all;
    size_t refused = 0;
    for (size_t i = 0; i < tries; ++i) {
      all.push_back(co_await Wire::Connect(&env(), listener_->address(), false));
      EXPECT_TRUE(co_await all.back()->Send("GET /data/s0 HTTP/1.1\r\nHost: x\r\n\r\n"));
      const Answer answer = co_await all.back()->Receive(true);
      refused += answer.status == 503 ? 1 : 0;
      if (i < most) EXPECT_EQ(answer.status, 200) << i;
    }
    EXPECT_EQ(refused, tries - most);
    EXPECT_EQ(server_->connections_by_loop(),
              std::vector<size_t>(1 + kFurtherLoops, most / (1 + kFurtherLoops)));
    all.clear();
    co_await Until([this] { return server_->connections() == 0; });
  }
  /// Reads, or writes, on and on until the door ends it.
  static Task<void> GoOn(Env* env, std::string address, std::string request) {
    const auto wire = co_await Wire::Connect(env, std::move(address), false);
    while (co_await wire->Send(request)) {
      const Answer answer = co_await wire->Receive(true);
      if (answer.status == 0) break;
      EXPECT_EQ(answer.status, 200) << answer.body;
    }
  }
  Task<void> StopWhileBusy() {
    TaskGroup group(env().executor);
    for (size_t i = 0; i < 24; ++i) {
      Env& at = *clients_->envs()[i % kClientLoops];
      std::string request = fmt::format("GET /data/l{} HTTP/1.1\r\nHost: x\r\n\r\n", i % kLarge);
      if (i % 4 == 0) {
        request = fmt::format("PUT /data/w{} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}", i,
                              "of a test");
      }
      group.Spawn(
          RunOn(at.executor, env().executor, GoOn(&at, listener_->address(), std::move(request))));
    }
    const Counters& counters = node_->counters();
    co_await Until(
        [&] { return counters.read.hits.value() > 500 && counters.write.requests.value() > 20; });
    stop_.Cancel();
    co_await group.Join();
  }
  static Task<void> Hang(Env* env, std::string address, size_t number) {
    const auto wire = co_await Wire::Connect(env, std::move(address), false);
    EXPECT_TRUE(
        co_await wire->Send(fmt::format("GET /data/s{} HTTP/1.1\r\nHost: x\r\n\r\n", number)));
    EXPECT_NE((co_await wire->Receive(true)).status, 200);
  }
  Task<void> CutWhatHangs() {
    TaskGroup group(env().executor);
    for (size_t i = 0; i < 16; ++i) {
      Env& at = *clients_->envs()[i % kClientLoops];
      group.Spawn(RunOn(at.executor, env().executor, Hang(&at, listener_->address(), i)));
    }
    co_await Until(
        [this] { return static_cast<size_t>(origin_.heads) + origin_.gets.size() == 16; });
    stop_.Cancel();
    std::ignore = co_await env().clock.Sleep(50ms);
    EXPECT_EQ(server_->connections(), 16u);
    cut_.Cancel();
    co_await group.Join();
  }

  std::unique_ptr<LoopThreads> further_;
  std::unique_ptr<LoopThreads> clients_;
  node_testing::MemoryOrigin origin_;
  node_testing::RegistryState registry_state_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<node_testing::MemoryRegistry> registry_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<S3Door> door_;
  std::unique_ptr<http::HttpServer> server_;
  CancelSource stop_, cut_;
};
INSTANTIATE_TEST_SUITE_P(Io, S3OnLoops, testing::ValuesIn(kBothBackends), BackendTestName);

TEST_P(S3OnLoops, ManyDoEverythingAtOnce) {
  Open();
  loop_->Run(Serve(ManyDo(24, false, ByTier(40, 150, 5000))));
  EXPECT_GT(node_->counters().read.hits.value(), 0u);
  EXPECT_GT(node_->counters().read.misses.value(), 0u);
}

TEST_P(S3OnLoops, ManyDoEverythingByTls) {
  const auto own = tls::MakeCertificate();
  const auto identity = tls::ServerIdentity::Create(own.certificate_pem, own.key_pem).value();
  const tls::TlsLayer layer(identity, {});
  Open(1000, [&layer](Env& env, std::unique_ptr<Stream> stream) {
    return layer.Secure(env, std::move(stream));
  });
  loop_->Run(Serve(ManyDo(8, true, ByTier(30, 100, 2000))));
}

TEST_P(S3OnLoops, ConnectionsAreSpreadAndCountedOverAllLoops) {
  Open(64);
  loop_->Run(Serve(ConnectMany(64, 70)));
}

TEST_P(S3OnLoops, StopsWhileAllAreBusy) {
  Open();
  loop_->Run(Serve(StopWhileBusy()));
}

TEST_P(S3OnLoops, WhatHangsEndsWithTheCut) {
  Open();
  origin_.hang = true;
  loop_->Run(Serve(CutWhatHangs()));
}

}  // namespace
}  // namespace forebay::s3door
