// Clients that are slow, or say nothing, keep neither the door's connections nor the store's
// memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <string>

#include "src/front/http/server.h"
#include "src/front/s3/door.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::s3door {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kPinnedBytes = 16 * kMiB;
constexpr uint64_t kDramBytes = 64 * kMiB;
constexpr uint64_t kObjectBytes = 4 * kMiB;
constexpr int kObjects = 48;  // three times what the memory holds
constexpr int kIdle = 300, kReaders = 100, kSenders = 100;

std::string Get(std::string_view key) {
  return fmt::format("GET /data/{} HTTP/1.1\r\nHost: x\r\n\r\n", key);
}

class SlowClientsTest : public node_testing::NodeTest {
 protected:
  Env& client() { return client_.env(); }

  Task<std::unique_ptr<Stream>> Connect(std::string text) {
    auto stream = (co_await client().net.Connect(listener_->address(), {})).value();
    const Bytes parts[] = {AsBytes(text)};
    EXPECT_TRUE(co_await stream->Send(parts, {}));
    co_return stream;
  }
  /// A KB a second, for as long as any comes.
  Task<void> ReadSlowly() {
    const auto stream = co_await Connect(Get("long"));
    std::vector<std::byte> into(kKiB);
    while (!over_) {
      const auto got = co_await stream->Recv(into, {});
      if (!got || *got == 0) co_return;
      static_cast<void>(co_await client().clock.Sleep(seconds(1), {}));
    }
  }
  /// A byte of a head a second, for as long as it is listened to.
  Task<void> SendSlowly() {
    const auto stream = co_await Connect("GET /data/long HTTP/1.1\r\nx: ");
    const Bytes parts[] = {AsBytes(std::string_view("x"))};
    while (!over_ && co_await stream->Send(parts, {})) {
      static_cast<void>(co_await client().clock.Sleep(seconds(1), {}));
    }
  }
  Task<void> SayNothing() {
    const auto stream = co_await Connect("");
    std::byte into[1];
    static_cast<void>(co_await stream->Recv(into, {}));
  }
  /// Asks for one object after the other, all of which the memory never holds.
  Task<void> BeHealthy() {
    for (int n = 0; n < kObjects; ++n) {
      const auto stream = co_await Connect(Get(std::to_string(n)));
      std::string text;
      std::vector<std::byte> into(kMiB);
      size_t head = std::string::npos;
      while (head == std::string::npos || text.size() < head + 4 + kObjectBytes) {
        const auto got = co_await stream->Recv(into, {});
        if (!got || *got == 0) break;
        text += AsText(Bytes(into).first(*got));
        head = text.find("\r\n\r\n");
        most_pinned_ = std::max(most_pinned_, door_->pinned_bytes());
      }
      EXPECT_TRUE(text.starts_with("HTTP/1.1 200 ")) << text.substr(0, 300);
      const Bytes body = AsBytes(std::string_view(text).substr(head + 4));
      EXPECT_EQ(body.size(), kObjectBytes);
      EXPECT_TRUE(node_testing::IsContent(SeedOf(n), 0, body)) << n;
    }
  }
  static uint64_t SeedOf(int n) { return 100 + static_cast<uint64_t>(n); }

  Task<void> Play() {
    CancelSource stop;
    http::HttpServer server(S3Door::Limits(kIdle + kReaders + kSenders + 1), door_->loops());
    TaskGroup serving(env().executor), slow(client().executor);
    serving.Spawn(server.Run(*listener_, stop.token()));
    for (int i = 0; i < kReaders; ++i) slow.Spawn(ReadSlowly());
    for (int i = 0; i < kSenders; ++i) slow.Spawn(SendSlowly());
    for (int i = 0; i < kIdle; ++i) slow.Spawn(SayNothing());
    static_cast<void>(co_await client().clock.Sleep(seconds(5), {}));
    EXPECT_EQ(server.connections(), size_t{kIdle + kReaders + kSenders});
    EXPECT_GT(door_->pinned_bytes(), kPinnedBytes / 2);
    co_await BeHealthy();
    EXPECT_LE(most_pinned_, kPinnedBytes);
    // Heads have ten seconds, what is read a minute for each window, who says nothing three.
    static_cast<void>(co_await client().clock.Sleep(seconds(30), {}));
    EXPECT_LE(server.connections(), size_t{kIdle + kReaders});
    static_cast<void>(co_await client().clock.Sleep(seconds(90), {}));
    EXPECT_LE(server.connections(), size_t{kIdle});
    EXPECT_EQ(door_->pinned_bytes(), 0u);
    static_cast<void>(co_await client().clock.Sleep(minutes(2), {}));
    EXPECT_EQ(server.connections(), 0u);
    over_ = true;
    co_await slow.Join();
    stop.Cancel();
    co_await serving.Join();
  }

  sim::Node& client_ = world_.AddNode("c");
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<S3Door> door_;
  uint64_t most_pinned_ = 0;
  bool over_ = false;
};

TEST_F(SlowClientsTest, AreLetGoAndPinLittle) {
  Open(SmallOptions(kDramBytes));
  Attach();
  origin_.Set("long", 1, 32 * kMiB);
  for (int n = 0; n < kObjects; ++n) origin_.Set(std::to_string(n), SeedOf(n), kObjectBytes);
  listener_ = env().net.Listen("n:0").value();
  door_ = std::make_unique<S3Door>(
      env(), *node_,
      S3DoorOptions{.max_pinned_bytes = kPinnedBytes, .upload_secret = "of this test"});
  world_.Run(Play());
  door_.reset();
  listener_.reset();
}

}  // namespace
}  // namespace forebay::s3door
