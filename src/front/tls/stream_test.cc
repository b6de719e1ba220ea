#include "src/front/tls/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "sim/seeds.h"
#include "sim/world.h"
#include "src/base/prng.h"
#include "src/front/tls/layer.h"
#include "src/front/tls/testing/certificates.h"
#include "src/front/tls/testing/client.h"
#include "src/front/tls/testing/seeded_random.h"

namespace forebay::tls {
namespace {

using sim::World;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr int kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/// Made once: nothing of it differs between the runs of a seed.
const TestCertificate& Certificate() {
  static const TestCertificate made = MakeCertificate();
  return made;
}

std::shared_ptr<const ServerIdentity> Identity(const TestCertificate& of = Certificate()) {
  return ServerIdentity::Create(of.certificate_pem, of.key_pem).value();
}

Task<Result<void>> SendText(Stream& stream, std::string text, Call call = {}) {
  const Bytes parts[] = {AsBytes(text)};
  co_return co_await stream.Send(parts, call);
}

/// `size` bytes of it.
Task<Result<std::string>> RecvText(Stream& stream, size_t size, Call call = {}) {
  std::string all(size, '\0');
  size_t have = 0;
  while (have < size) {
    FB_CO_ASSIGN(const size_t came,
                 co_await stream.Recv(std::as_writable_bytes(std::span(all)).subspan(have), call));
    if (came == 0) co_return all.substr(0, have);
    have += came;
  }
  co_return all;
}

/// Both ends of one connection; the server's has not shaken hands.
struct Pair {
  Task<Result<std::unique_ptr<Stream>>> Accept(Call call) {
    FB_CO_ASSIGN(auto stream, co_await below->Accept(call));
    co_return door->Secure(*server_env, std::move(stream));
  }

  Env* server_env = nullptr;
  std::unique_ptr<Listener> below;
  std::unique_ptr<TlsLayer> door;
  std::unique_ptr<Stream> server;
  std::unique_ptr<Stream> plain_client;  // until somebody makes a TestClient of it
};

class TlsStreamTest : public testing::Test {
 protected:
  static Task<Result<void>> ConnectTask(Env& server_env, Env& client_env, TlsOptions options,
                                        Pair* pair) {
    FB_CO_ASSIGN(pair->below, server_env.net.Listen("server:0"));
    pair->server_env = &server_env;
    pair->door = std::make_unique<TlsLayer>(Identity(), options);
    FB_CO_ASSIGN(pair->plain_client, co_await client_env.net.Connect(pair->below->address(), {}));
    FB_CO_ASSIGN(pair->server, co_await pair->Accept({}));
    co_return Result<void>();
  }
  Task<Result<void>> Connect(Pair* pair) {
    return ConnectTask(server_env(), client_env(), {.answer_to_plain_text = "wrong door"}, pair);
  }

  Env& server_env() { return server_node_.env(); }
  Env& client_env() { return client_node_.env(); }
  Instant In(Duration time) { return world_.Now() + time; }

  World world_{7};
  sim::Node& server_node_ = world_.AddNode("server");
  sim::Node& client_node_ = world_.AddNode("client");
  Pair pair_;
};

// -- What goes well

Task<void> Greet(Stream& server, Result<std::string>* heard) {
  *heard = co_await RecvText(server, 5);
  EXPECT_TRUE(co_await SendText(server, "world"));
  co_await server.SayEnd({});
}

Task<void> Exchange(Env& env, Stream& server, TestClient& client) {
  TaskGroup group(env.executor);
  Result<std::string> heard;
  group.Spawn(Greet(server, &heard));
  EXPECT_TRUE(co_await client.Shake({}));
  EXPECT_TRUE(co_await client.Send("hello", {}));
  EXPECT_EQ((co_await RecvAll(client, {})).value_or("cut"), "world");
  EXPECT_TRUE(co_await client.SayEnd({}));  // a session that just breaks is not gone on with
  co_await group.Join();
  EXPECT_EQ(heard.value_or("nothing"), "hello");
}

TEST_F(TlsStreamTest, CarriesBytesBothWaysByBothVersions) {
  for (const int version : kVersions) {
    ASSERT_TRUE(world_.Run(Connect(&pair_)));
    TestClient client(std::move(pair_.plain_client), {.version = version});
    world_.Run(Exchange(world_.env(), *pair_.server, client));
    EXPECT_EQ(SSL_version(client.ssl()), version);
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), size), "http/1.1");
    EXPECT_THAT(SSL_get_cipher_name(client.ssl()), HasSubstr("GCM"));
    pair_ = {};
  }
}

TEST_F(TlsStreamTest, AClientWithATicketNeedsNoSecondHandshake) {
  for (const int version : kVersions) {
    const auto identity = Identity();
    SSL_SESSION* session = nullptr;
    for (const bool again : {false, true}) {
      ASSERT_TRUE(world_.Run(Connect(&pair_)));
      pair_.server.reset();
      // Tickets are the identity's: the same one for both.
      pair_.door->Replace(identity);
      pair_.plain_client.reset();
      auto connect = [](Env& env, Pair* pair) -> Task<Result<void>> {
        FB_CO_ASSIGN(pair->plain_client, co_await env.net.Connect(pair->below->address(), {}));
        FB_CO_ASSIGN(pair->server, co_await pair->Accept({}));
        co_return Result<void>();
      };
      ASSERT_TRUE(world_.Run(connect(client_env(), &pair_)));
      TestClient client(std::move(pair_.plain_client), {.version = version, .session = session});
      world_.Run(Exchange(world_.env(), *pair_.server, client));
      EXPECT_EQ(SSL_session_reused(client.ssl()), again ? 1 : 0);
      if (!again) {
        session = client.session();
        ASSERT_NE(session, nullptr);
        SSL_SESSION_up_ref(session);
      }
    }
    SSL_SESSION_free(session);
  }
}

// -- Ends

Task<void> EndHalves(Stream& server, TestClient& client, Env& env) {
  TaskGroup group(env.executor);
  Result<std::string> heard;
  auto listen = [](Stream& s, Result<std::string>* into) -> Task<void> {
    *into = co_await RecvText(s, 100);
  };
  group.Spawn(listen(server, &heard));
  EXPECT_TRUE(co_await client.Shake({}));
  EXPECT_TRUE(co_await client.Send("all", {}));
  EXPECT_TRUE(co_await client.SayEnd({}));
  co_await group.Join();
  EXPECT_EQ(heard.value_or("error"), "all");
  EXPECT_TRUE(co_await SendText(server, "an answer, late"));
  co_await server.SayEnd({});
  EXPECT_EQ((co_await RecvAll(client, {})).value_or("cut"), "an answer, late");
}

TEST_F(TlsStreamTest, WhoHasFinishedSendingStillReceives) {
  for (const int version : kVersions) {
    ASSERT_TRUE(world_.Run(Connect(&pair_)));
    TestClient client(std::move(pair_.plain_client), {.version = version});
    world_.Run(EndHalves(*pair_.server, client, world_.env()));
    pair_ = {};
  }
}

Task<void> CutOff(Stream& server, TestClient& client, Env& env) {
  TaskGroup group(env.executor);
  Result<std::string> heard;
  auto listen = [](Stream& s, Result<std::string>* into) -> Task<void> {
    *into = co_await RecvText(s, 100);
  };
  group.Spawn(listen(server, &heard));
  EXPECT_TRUE(co_await client.Shake({}));
  EXPECT_TRUE(co_await client.Send("half of", {}));
  static_cast<void>(co_await env.clock.Sleep(milliseconds(10)));
  client.stream().Shutdown();
  co_await group.Join();
  EXPECT_FALSE(heard);
  if (!heard) EXPECT_EQ(heard.error().code(), Code::kUnavailable) << heard.error().message();
}

TEST_F(TlsStreamTest, AnEndThatNobodySaidIsAnError) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient client(std::move(pair_.plain_client), {});
  world_.Run(CutOff(*pair_.server, client, world_.env()));
}

TEST_F(TlsStreamTest, ShutdownEndsWhatWaits) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  auto scene = [](Env& env, Stream& server) -> Task<void> {
    TaskGroup group(env.executor);
    Result<std::string> heard;
    auto listen = [](Stream& s, Result<std::string>* into) -> Task<void> {
      *into = co_await RecvText(s, 1);
    };
    group.Spawn(listen(server, &heard));
    static_cast<void>(co_await env.clock.Sleep(milliseconds(10)));
    server.Shutdown();
    co_await group.Join();
    EXPECT_FALSE(heard);
  };
  world_.Run(scene(world_.env(), *pair_.server));
}

TEST_F(TlsStreamTest, ADeadlineOfARecvLosesNothing) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient client(std::move(pair_.plain_client), {});
  auto scene = [](Env& env, Stream& server, TestClient& peer) -> Task<void> {
    TaskGroup group(env.executor);
    Result<std::string> heard = Fail(Code::kDeadlineExceeded, "");
    auto listen = [](Env& e, Stream& s, Result<std::string>* into) -> Task<void> {
      // Shorter than a round trip, so that it strikes within the handshake and after it.
      while (!*into && into->error().code() == Code::kDeadlineExceeded) {
        *into = co_await RecvText(
            s, 5, {.deadline = e.clock.Now() + std::chrono::microseconds(60), .cancel = {}});
      }
    };
    group.Spawn(listen(env, server, &heard));
    EXPECT_TRUE(co_await peer.Shake({}));
    static_cast<void>(co_await env.clock.Sleep(milliseconds(1)));
    EXPECT_TRUE(co_await peer.Send("whole", {}));
    co_await group.Join();
    EXPECT_EQ(heard.value_or("error"), "whole");
  };
  world_.Run(scene(server_env(), *pair_.server, client));
}

// -- Peers that do not do as they should

/// What the server's Recv comes to while `peer` does something.
template <class Peer>
Task<Error> ErrorMeanwhile(Env& env, Stream& server, Peer peer) {
  TaskGroup group(env.executor);
  group.Spawn(peer());
  const auto heard = co_await RecvText(server, 1);
  server.Shutdown();
  co_await group.Join();
  co_return heard ? Error(Code::kInternal, "it was taken") : heard.error();
}

TEST_F(TlsStreamTest, AHandshakeThatNeverEndsIsEnded) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  const Instant start = world_.Now();
  const auto heard = world_.Run(RecvText(*pair_.server, 1));
  ASSERT_FALSE(heard);
  EXPECT_THAT(heard.error().message(), HasSubstr("was not done in time"));
  EXPECT_EQ(world_.Now() - start, TlsOptions{}.handshake);
}

Task<void> Drip(Env& env, Stream& stream, std::string text, Duration pause) {
  for (const char c : text) {
    if (!co_await SendText(stream, std::string(1, c))) co_return;
    static_cast<void>(co_await env.clock.Sleep(pause));
  }
}

TEST_F(TlsStreamTest, ADripOfBytesWinsNoTime) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  const Instant start = world_.Now();
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + std::string(500, 'r'));
  const Error error = world_.Run(ErrorMeanwhile(server_env(), *pair_.server, [&] {
    return Drip(client_env(), *pair_.plain_client, hello, milliseconds(500));
  }));
  EXPECT_THAT(error.message(), HasSubstr("was not done in time"));
  EXPECT_LT(world_.Now() - start, TlsOptions{}.handshake + seconds(1));
}

TEST_F(TlsStreamTest, PlainTextGetsTheAnswerOfItsOwnProtocol) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  std::string answer;
  auto ask = [](Stream& stream, std::string* into) -> Task<void> {
    EXPECT_TRUE(co_await SendText(stream, "DELETE / HTTP/1.1\r\n\r\n"));
    *into = (co_await RecvText(stream, 100)).value_or("cut");
  };
  const Error error = world_.Run(ErrorMeanwhile(server_env(), *pair_.server,
                                                [&] { return ask(*pair_.plain_client, &answer); }));
  EXPECT_EQ(answer, "wrong door");
  EXPECT_THAT(error.message(), HasSubstr("plain text came to a door that speaks TLS"));
}

TEST_F(TlsStreamTest, GarbageIsRefused) {
  Prng chance(3);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(world_.Run(Connect(&pair_)));
    std::string garbage(1 + chance.Below(600), '\0');
    for (char& c : garbage) c = static_cast<char>(chance.Next());
    if (chance.OneIn(2)) garbage.replace(0, 3, "\x16\x03\x01", 3);
    if (garbage[0] >= 'A' && garbage[0] <= 'Z') garbage[0] = '\0';
    auto send = [](Stream& stream, std::string text) -> Task<void> {
      static_cast<void>(co_await SendText(stream, std::move(text)));
      stream.Shutdown();
    };
    const Error error = world_.Run(ErrorMeanwhile(
        server_env(), *pair_.server, [&] { return send(*pair_.plain_client, garbage); }));
    EXPECT_THAT(error.message(), HasSubstr("TLS handshake with"));
    pair_ = {};
  }
}

Task<void> TryToShake(TestClient& client, std::string* why) {
  const auto shaken = co_await client.Shake({});
  // By TLS 1.3 the client is done first, and hears of it afterwards.
  std::byte one[1];
  const auto heard = shaken ? co_await client.Recv(one, {}) : Fail(shaken.error());
  *why = heard ? "it was done" : heard.error().message();
}

TEST_F(TlsStreamTest, WhatIsTooOldOrUnknownIsRefusedInWords) {
  struct Case {
    TestClientOptions client;
    std::string server_says;
    std::string client_says;
  };
  const TestCertificate other = MakeCertificate({.name = "somebody else"});
  for (const Case& one :
       {Case{{.version = TLS1_1_VERSION}, "neither TLS 1.2 nor 1.3", "protocol version"},
        Case{{.protocols = "h2"}, "does not offer http/1.1", "no application protocol"},
        Case{{.trusted_pem = other.certificate_pem},
             "does not trust the certificate",
             "certificate verify failed"}}) {
    ASSERT_TRUE(world_.Run(Connect(&pair_)));
    TestClient client(std::move(pair_.plain_client), one.client);
    std::string why;
    const Error error = world_.Run(
        ErrorMeanwhile(server_env(), *pair_.server, [&] { return TryToShake(client, &why); }));
    EXPECT_THAT(error.message(), HasSubstr(one.server_says));
    EXPECT_THAT(why, HasSubstr(one.client_says));
    pair_ = {};
  }
}

Task<void> Renegotiate(TestClient& client, Result<void>* done) {
  EXPECT_TRUE(co_await client.Shake({}));
  EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
  *done = co_await client.Shake({});
}

TEST_F(TlsStreamTest, NobodyNegotiatesTwice) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient client(std::move(pair_.plain_client), {.version = TLS1_2_VERSION});
  Result<void> done;
  const Error error = world_.Run(
      ErrorMeanwhile(server_env(), *pair_.server, [&] { return Renegotiate(client, &done); }));
  EXPECT_FALSE(done);
  EXPECT_NE(error.message(), "it was taken");
}

Task<void> AskForNewKeys(TestClient& client, int times) {
  for (int i = 0; i < times; ++i) {
    EXPECT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    if (!co_await client.Send("k", {})) break;
  }
}

TEST_F(TlsStreamTest, KeysAreUpdatedAsOftenAsThePeerLikes) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient client(std::move(pair_.plain_client), {.version = TLS1_3_VERSION});
  auto scene = [](Env& env, Stream& server, TestClient& peer) -> Task<void> {
    TaskGroup group(env.executor);
    auto shake = [](TestClient& c) -> Task<void> {
      EXPECT_TRUE(co_await c.Shake({}));
      co_await AskForNewKeys(c, 20);
    };
    group.Spawn(shake(peer));
    EXPECT_EQ((co_await RecvText(server, 20)).value_or("error"), std::string(20, 'k'));
    co_await group.Join();
    EXPECT_TRUE(co_await SendText(server, "still here"));
    co_await server.SayEnd({});
    EXPECT_EQ((co_await RecvAll(peer, {})).value_or("cut"), "still here");
  };
  world_.Run(scene(world_.env(), *pair_.server, client));
}

/// The server cannot send, because nobody reads; what it owes meanwhile must not pile up.
TEST_F(TlsStreamTest, WhoAsksForEverAndNeverReadsIsLetGo) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient client(std::move(pair_.plain_client), {.version = TLS1_3_VERSION});
  auto scene = [](Env& env, Stream& server, TestClient& peer) -> Task<void> {
    TaskGroup group(env.executor);
    Result<void> sent;
    CancelSource stop;
    auto ask = [](TestClient& c) -> Task<void> {
      EXPECT_TRUE(co_await c.Shake({}));
      co_await AskForNewKeys(c, 5000);
    };
    auto send = [](Stream& s, CancelToken stop_it, Result<void>* into) -> Task<void> {
      const std::string much(4 << 20, 'm');
      *into = co_await SendText(s, much, {.deadline = Instant::Never(), .cancel = stop_it});
    };
    group.Spawn(ask(peer));
    group.Spawn(send(server, stop.token(), &sent));
    const auto heard = co_await RecvText(server, 1 << 20);
    EXPECT_FALSE(heard);
    stop.Cancel();
    server.Shutdown();
    co_await group.Join();
    EXPECT_FALSE(sent);
  };
  world_.Run(scene(world_.env(), *pair_.server, client));
}

TEST_F(TlsStreamTest, ANewIdentityIsForNewConnections) {
  ASSERT_TRUE(world_.Run(Connect(&pair_)));
  TestClient before(std::move(pair_.plain_client), {.trusted_pem = Certificate().certificate_pem});
  const TestCertificate renewed = MakeCertificate({.name = "renewed"});
  pair_.door->Replace(Identity(renewed));
  auto connect = [](Env& env, Pair* pair, std::unique_ptr<Stream>* server) -> Task<void> {
    pair->plain_client = (co_await env.net.Connect(pair->below->address(), {})).value();
    *server = (co_await pair->Accept({})).value();
  };
  std::unique_ptr<Stream> next;
  world_.Run(connect(client_env(), &pair_, &next));
  TestClient after(std::move(pair_.plain_client), {.trusted_pem = renewed.certificate_pem});
  world_.Run(Exchange(world_.env(), *pair_.server, before));
  world_.Run(Exchange(world_.env(), *next, after));
}

// -- Much, over bad networks

/// A conversation: what each side says is known to the other, in pieces of any size.
class Conversation {
 public:
  explicit Conversation(World& world) : world_(world), chance_(world.seed()) {}
  bool whole() const { return whole_; }

  Result<void> Run() {
    Certificate();
    const SeededRandom seeded(world_.seed());
    const auto done = world_.Run(Talk());
    whole_ = done.has_value();
    // Networks break; what came must be right nevertheless.
    if (done || done.error().retryable() || done.error().code() == Code::kCorrupt) {
      return wrong_.empty() ? Result<void>() : Fail(Code::kInternal, wrong_);
    }
    return done;
  }

 private:
  static std::string Words(uint64_t seed, size_t size) {
    Prng words(seed);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(words.Next());
    return text;
  }

  Task<Result<void>> Talk() {
    Env& server_env = world_.AddNode("server").env();
    Env& client_env = world_.AddNode("client").env();
    Pair pair;
    FB_CO_ASSIGN(pair.below, server_env.net.Listen("server:0"));
    const auto identity = Identity();
    // Within a ticket is the second of the real clock, which no seed repeats.
    SSL_CTX_set_num_tickets(identity->native(), 0);
    SSL_CTX_set_options(identity->native(), SSL_OP_NO_TICKET);
    pair.server_env = &server_env;
    pair.door = std::make_unique<TlsLayer>(identity, TlsOptions{});
    TaskGroup group(server_env.executor);
    CancelSource stop;
    group.Spawn(Serve(server_env, pair, stop.token()));
    auto result = co_await Ask(client_env, pair.below->address());
    stop.Cancel();
    co_await group.Join();
    co_return result;
  }

  Task<Result<void>> Ask(Env& env, std::string address) {
    FB_CO_ASSIGN(auto stream, co_await env.net.Connect(address, {}));
    TestClient client(std::move(stream),
                      {.version = kVersions[chance_.Below(std::size(kVersions))]});
    const Call call{.deadline = env.clock.Now() + seconds(300), .cancel = {}};
    FB_CO_TRY(co_await client.Shake(call));
    for (size_t sent = 0; sent < kSaid.size();) {
      const size_t size = std::min<size_t>(1 + chance_.Below(40'000), kSaid.size() - sent);
      FB_CO_TRY(co_await client.Send(kSaid.substr(sent, size), call));
      sent += size;
    }
    FB_CO_TRY(co_await client.SayEnd(call));
    FB_CO_ASSIGN(const std::string answer, co_await RecvAll(client, call));
    if (answer != kAnswered) wrong_ = "the client heard something else";
    co_return Result<void>();
  }

  Task<void> Serve(Env& env, Pair& pair, CancelToken stop) {
    auto stream =
        co_await pair.Accept({.deadline = env.clock.Now() + seconds(300), .cancel = stop});
    if (!stream) co_return;
    TaskGroup group(env.executor);
    group.Spawn(Answer(**stream, stop));
    std::string heard;
    for (;;) {
      std::vector<std::byte> piece(1 + chance_.Below(100'000));
      const auto size = co_await (*stream)->Recv(
          piece, {.deadline = env.clock.Now() + seconds(300), .cancel = stop});
      if (size) heard += AsText(Bytes(piece).first(*size));
      if (size && *size > 0) continue;
      if (!kSaid.starts_with(heard)) wrong_ = "the server heard something else";
      if (size && heard != kSaid) wrong_ = "an end that was none";
      // Nobody reads any more, and the client may want to be read before it reads.
      if (!size) (*stream)->Shutdown();
      break;
    }
    co_await group.Join();
    co_await (*stream)->SayEnd({.deadline = env.clock.Now() + seconds(60), .cancel = stop});
    (*stream)->Shutdown();
  }

  Task<void> Answer(Stream& stream, CancelToken stop) {
    for (size_t sent = 0; sent < kAnswered.size();) {
      std::vector<Bytes> parts;
      for (uint64_t more = 1 + chance_.Below(4); more > 0 && sent < kAnswered.size(); --more) {
        const size_t size = std::min<size_t>(1 + chance_.Below(90'000), kAnswered.size() - sent);
        parts.push_back(AsBytes(kAnswered).subspan(sent, size));
        sent += size;
      }
      if (!co_await stream.Send(parts, {.deadline = Instant::Never(), .cancel = stop})) break;
    }
  }

  World& world_;
  Prng chance_;
  const std::string kSaid = Words(1, 700'000);
  const std::string kAnswered = Words(2, 300'000);
  std::string wrong_;
  bool whole_ = false;
};

sim::WorldOptions BadNetwork(uint64_t seed) {
  sim::WorldOptions options;
  Prng chance(seed);
  options.net.faults.loss = chance.OneIn(2) ? 0.02 : 0;
  options.net.faults.reset = chance.OneIn(2) ? 0.01 : 0;
  options.net.segment_bytes = 1 + chance.Below(chance.OneIn(3) ? 40 : 60'000);
  options.net.buffer_bytes = 4096 << chance.Below(8);
  return options;
}

TEST(TlsStreamSeeds, BytesAreExactOrTheConnectionFails) {
  uint64_t whole = 0, all = 0;
  const auto run = [&](World& world) {
    Conversation conversation(world);
    auto result = conversation.Run();
    ++all;
    whole += conversation.whole() ? 1 : 0;
    return result;
  };
  EXPECT_TRUE(sim::RunSeeds(
                  "tls", {.quick = 20, .ci = 200, .full = 2000},
                  {.options = BadNetwork, .run = run, .expected_faults = {"net.loss", "net.reset"}})
                  .ok());
  EXPECT_GE(whole, all / 4) << "hardly anything was said to its end";
}

}  // namespace
}  // namespace forebay::tls
