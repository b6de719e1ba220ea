// The door in the simulator, where streams split anywhere and time is ours.
#include "src/front/native/door.h"

#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "sim/world.h"
#include "src/front/native/testing/door_world.h"
#include "src/wire/admin_messages.h"
#include "src/wire/write_messages.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using wire::Connection;

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

class DoorTest : public testing::Test {
 protected:
  DoorTest() {
    door.options.addresses = {"server:7400", "unix:/run/node.sock"};
    door.options.is_loopback = [](std::string_view) { return true; };
  }
  Env& server() { return server_node.env(); }
  Env& client() { return client_node.env(); }

  sim::World world{1};
  sim::Node& server_node = world.AddNode("server");
  sim::Node& client_node = world.AddNode("client");
  DoorWorld door{server_node.env()};
};

MutableBytes Span(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

Task<Result<std::string>> GetText(Connection& connection, std::string path, uint64_t offset,
                                  uint32_t size) {
  std::string into(size, '?');
  FB_CO_ASSIGN(const auto got, co_await connection.Get(path, offset, Span(into), {}));
  into.resize(got.size);
  co_return into;
}

Task<Result<std::string>> ReadText(Connection& connection, const wire::OpenAnswer& file,
                                   uint64_t offset, uint32_t size) {
  std::string into(size, '?');
  FB_CO_ASSIGN(const uint32_t got,
               co_await connection.Read(file.handle, file.info.version, file.info.block_bytes,
                                        offset, Span(into), {}));
  into.resize(got);
  co_return into;
}

Task<void> ReadsExactBytes(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  EXPECT_EQ(connection->server().node_name, "test");
  for (int round = 0; round < 2; ++round) {  // cold, then from memory
    for (const auto& [path, object] : door.script.objects) {
      auto file = co_await connection->Ask<wire::OpenAnswer>(
          wire::OpenRequest{.path = path, .if_match = {}}, {});
      EXPECT_TRUE(file.has_value());
      if (!file) continue;
      EXPECT_EQ(file->value.info.size, object.bytes.size());
      EXPECT_EQ(file->value.info.etag, object.etag);
      const std::pair<uint64_t, uint32_t> ranges[] = {
          {0, 1u << 20},         {4095, 2},     {1, 5000},   {9000, 4096},
          {(1u << 20) - 10, 20}, {1u << 30, 5}, {8192, 4096}};
      for (const auto& [offset, size] : ranges) {
        const std::string expected =
            object.bytes.substr(std::min<uint64_t>(offset, object.bytes.size()), size);
        EXPECT_EQ(co_await ReadText(*connection, file->value, offset, size), expected)
            << path << " " << offset << " " << size;
        EXPECT_EQ(co_await GetText(*connection, path, offset, size), expected)
            << path << " " << offset << " " << size;
      }
      connection->CloseHandle(file->value.handle);
      EXPECT_EQ(CodeOf(co_await ReadText(*connection, file->value, 0, 1)), Code::kInvalidArgument);
    }
  }
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, GivesExactBytesColdAndWarm) {
  world.Run(ReadsExactBytes(door, client()));
}

TEST_F(DoorTest, GivesExactBytesByUnixSocket) {
  std::swap(door.options.addresses[0], door.options.addresses[1]);
  world.Run(ReadsExactBytes(door, server()));
}

Task<void> ManyAtOnce(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  std::string into[5] = {std::string(4096, '?'), std::string(100, '?'), std::string(10, '?'),
                         std::string(2u << 20, '?'), std::string(10, '?')};
  std::vector<wire::GetSlot> slots = {{.path = "/data/small", .into = Span(into[0])},
                                      {.path = "/data/odd", .offset = 9990, .into = Span(into[1])},
                                      {.path = "/data/missing", .into = Span(into[2])},
                                      {.path = "/data/big", .into = Span(into[3])},
                                      {.path = "/data/empty", .into = Span(into[4])}};
  for (int round = 0; round < 2; ++round) {
    const auto done = co_await connection->GetMany(slots, {});
    EXPECT_TRUE(done.has_value()) << done.error().ToString();
    EXPECT_EQ(slots[0].size.value_or(0), 4096u);
    EXPECT_EQ(slots[1].size.value_or(0), 11u);
    EXPECT_EQ(CodeOf(slots[2].size), Code::kNotFound);
    EXPECT_EQ(slots[3].size.value_or(0), 2u << 20);
    EXPECT_EQ(slots[4].size.value_or(9), 0u);
    EXPECT_EQ(into[0], door.script.objects["/data/small"].bytes);
    EXPECT_EQ(into[1].substr(0, 11), door.script.objects["/data/odd"].bytes.substr(9990));
    EXPECT_EQ(into[3], door.script.objects["/data/big"].bytes.substr(0, 2u << 20));
  }
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, GetsManyAndSaysOfEachHowItWent) {
  world.Run(ManyAtOnce(door, client()));
}

Task<void> Writes(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  const std::string small = PatternBytes(1000, 9);
  auto put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutRequest{.crc = wire::FrameCrc(AsBytes(small)),
                       .condition = {.if_match = {}},
                       .path = "/data/new"},
      {}, AsBytes(small));
  EXPECT_TRUE(put.has_value()) << put.error().ToString();
  EXPECT_EQ(co_await GetText(*connection, "/data/new", 0, 2000), small);
  put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutRequest{.crc = 1, .condition = {.if_match = {}}, .path = "/data/bad"}, {},
      AsBytes(small));
  EXPECT_EQ(CodeOf(put), Code::kCorrupt);
  put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutRequest{.crc = wire::FrameCrc(AsBytes(small)),
                       .condition = {.if_absent = true, .if_match = {}},
                       .path = "/data/new"},
      {}, AsBytes(small));
  EXPECT_EQ(CodeOf(put), Code::kAlreadyExists);

  // Streamed, in order, committed by its size.
  const std::string large = PatternBytes(3'000'000, 10);
  auto begun = co_await connection->Ask<wire::UploadAnswer>(
      wire::PutBeginRequest{.condition = {.if_match = {}}, .path = "/data/large"}, {});
  EXPECT_TRUE(begun.has_value());
  const uint32_t upload = begun->value.upload;
  for (size_t at = 0; at < large.size(); at += 1u << 20) {
    const Bytes data = AsBytes(large).subspan(at, std::min<size_t>(1u << 20, large.size() - at));
    const auto done = co_await connection->Ask<wire::Empty>(
        wire::PutDataRequest{.upload = upload, .crc = wire::FrameCrc(data), .offset = at}, {},
        data);
    EXPECT_TRUE(done.has_value()) << done.error().ToString();
  }
  put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutCommitRequest{.upload = upload, .size = large.size()}, {});
  EXPECT_TRUE(put.has_value()) << put.error().ToString();
  EXPECT_EQ(door.script.objects["/data/large"].bytes, large);
  put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutCommitRequest{.upload = upload, .size = large.size()}, {});
  EXPECT_EQ(CodeOf(put), Code::kInvalidArgument);

  // A size that does not fit, and an upload that its connection leaves behind, leave nothing.
  for (int i = 0; i < 2; ++i) {
    begun = co_await connection->Ask<wire::UploadAnswer>(
        wire::PutBeginRequest{.condition = {.if_match = {}}, .path = "/data/short"}, {});
    EXPECT_TRUE(begun.has_value());
    if (i > 0) break;
    put = co_await connection->Ask<wire::PutAnswer>(
        wire::PutCommitRequest{.upload = begun->value.upload, .size = 5}, {});
    EXPECT_EQ(CodeOf(put), Code::kInvalidArgument);
  }
  co_await connection->Close();
  co_await door.Close();
  EXPECT_FALSE(door.script.objects.contains("/data/short"));
  EXPECT_EQ(door.script.aborted_uploads, 3);
}

TEST_F(DoorTest, WritesWholeObjectsOrNone) {
  world.Run(Writes(door, client()));
}

Task<void> Administrates(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  const auto stat =
      co_await connection->Ask<wire::StatAnswer>(wire::StatRequest{.path = "/data/odd"}, {});
  EXPECT_TRUE(stat && stat->value.size == 10'001 && stat->value.attachment_id == 7);
  const auto list = co_await connection->Ask<wire::ListAnswer>(
      wire::ListRequest{.limit = 2, .path = "/data/", .delimiter = {}, .after = "big"}, {});
  EXPECT_TRUE(list && list->value.more && list->value.entries.size() == 2 &&
              list->value.entries[1].key == "odd");
  const auto all =
      co_await connection->Ask<wire::AttachmentsAnswer>(wire::AttachmentsRequest{}, {});
  EXPECT_TRUE(all && all->value.attachments.size() == 1 &&
              all->value.attachments[0].origin == "file:///scripted");
  EXPECT_EQ(CodeOf(co_await connection->Ask<wire::Empty>(
                wire::AttachRequest{
                    {.name = "data", .origin = "file:///x", .freshness = {}, .allow = {}}},
                {})),
            Code::kAlreadyExists);
  const auto status = co_await connection->Ask<wire::StatusAnswer>(wire::StatusRequest{}, {});
  EXPECT_TRUE(status && status->value.json == "{\"x\": 1}");
  const auto fetched =
      co_await connection->Ask<wire::FetchAnswer>(wire::FetchRequest{.path = "/data/big"}, {});
  EXPECT_TRUE(fetched && fetched->value.bytes == (3u << 20) + 77);
  EXPECT_EQ(CodeOf(co_await connection->Ask<wire::WindowAnswer>(
                wire::WindowRequest{.attachment_id = 7, .request = {}}, {})),
            Code::kUnsupported);
  EXPECT_TRUE((co_await connection->Ask<wire::PingAnswer>(wire::PingRequest{}, {})).has_value());
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, AnswersEveryOtherQuestion) {
  door.options.status_json = [] { return std::string("{\"x\": 1}"); };
  std::swap(door.options.addresses[0], door.options.addresses[1]);
  world.Run(Administrates(door, server()));
}

/// Memory that changes under the node: found by whoever reads, mended by reading anew.
Task<void> RottenMemory(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  const std::string& bytes = door.script.objects["/data/odd"].bytes;
  const BlockKey key = BlockKey::Of(MakeVersionId(7, "/data/odd", "e2", bytes.size()), 0);
  // Whole pages go out as they are, and the client finds it; of parts the node itself finds it.
  for (const auto& [offset, size] : {std::pair<uint64_t, uint32_t>{0, 10'001}, {4097, 10}}) {
    EXPECT_EQ(co_await GetText(*connection, "/data/odd", offset, size), bytes.substr(offset, size));
    {
      const View view = door.node->store().Lookup(key, 4096, 4096);
      EXPECT_TRUE(view);
      if (view) const_cast<std::byte&>(view.bytes()[5]) ^= std::byte{1};
    }
    EXPECT_EQ(co_await GetText(*connection, "/data/odd", offset, size), bytes.substr(offset, size));
  }
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, MemoryThatChangesIsFoundAndMended) {
  world.Run(RottenMemory(door, client()));
}

// ---- Who may come in.

Task<Error> RefusedAs(DoorWorld& door, Env& client, wire::ConnectOptions how) {
  auto connection = co_await door.Connect(client, std::move(how));
  EXPECT_FALSE(connection.has_value());
  if (!connection) co_return connection.error();
  co_await (*connection)->Close();
  co_return Error(Code::kInternal, "was let in");
}

Task<void> Versions(DoorWorld& door, Env& client) {
  co_await door.Open();
  for (const uint16_t version : {0, 9}) {
    const Error error =
        co_await RefusedAs(door, client, {.min_version = version, .max_version = version});
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_NE(error.message().find("this node 1 to 2"), std::string::npos) << error.message();
  }
  auto newer = co_await door.Connect(client, {.min_version = 1, .max_version = 9});
  EXPECT_TRUE(newer && (*newer)->server().version == 2);
  co_await (*newer)->Close();
  co_await door.Close();
}

TEST_F(DoorTest, RefusesOtherVersionsByNamingBothRanges) {
  world.Run(Versions(door, client()));
}

Task<void> Tokens(DoorWorld& door, Env& client) {
  co_await door.Open(kTokens);
  EXPECT_EQ((co_await RefusedAs(door, client, {})).code(), Code::kUnauthenticated);
  wire::ConnectOptions wrong{.token = wire::Token{.name = "reader", .secret = "no"}};
  EXPECT_EQ((co_await RefusedAs(door, client, wrong)).code(), Code::kUnauthenticated);
  wrong.token->name = "nobody";
  EXPECT_EQ((co_await RefusedAs(door, client, wrong)).code(), Code::kUnauthenticated);
  auto good = co_await door.Connect(
      client, {.token = wire::Token::Parse("writer " + std::string(64, 'b')).value()});
  EXPECT_TRUE(good.has_value()) << good.error().ToString();
  if (good) {
    EXPECT_TRUE((co_await GetText(**good, "/data/small", 0, 10)).has_value());
    co_await (*good)->Close();
  }
  co_await door.Close();
}

TEST_F(DoorTest, AsksForATokenAndProvesThatItKnowsIt) {
  world.Run(Tokens(door, client()));
}

Task<void> NotLoopback(DoorWorld& door, Env& client) {
  co_await door.Open();
  const Error error = co_await RefusedAs(door, client, {});
  EXPECT_EQ(error.code(), Code::kUnauthenticated);
  EXPECT_NE(error.message().find("token file"), std::string::npos) << error.message();
  co_await door.Close();
}

TEST_F(DoorTest, WithoutTokensServesItsOwnMachineOnly) {
  door.options.is_loopback = nullptr;
  world.Run(NotLoopback(door, client()));
}

// ---- Deadlines, cancellation, bounds.

Task<void> GetInto(Connection& connection, std::string path, Call call, Code* code) {
  std::string into(100, '?');
  *code = CodeOf(co_await connection.Get(path, 0, Span(into), call));
}

Task<void> Gives(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  door.script.delay = 10s;
  Code late = Code::kInternal;
  Code cancelled = Code::kInternal;
  CancelSource source;
  TaskGroup group(client.executor);
  group.Spawn(GetInto(*connection, "/data/odd", {.deadline = client.clock.Now() + 2s}, &late));
  group.Spawn(GetInto(*connection, "/data/small", {.cancel = source.token()}, &cancelled));
  std::ignore = co_await client.clock.Sleep(1s);
  source.Cancel();
  co_await group.Join();
  EXPECT_EQ(late, Code::kDeadlineExceeded);
  EXPECT_EQ(cancelled, Code::kCancelled);
  EXPECT_LT(client.clock.Now().ns, (4s / 1ns));
  std::ignore = co_await client.clock.Sleep(100ms);
  EXPECT_EQ(door.script.cancelled, 1);  // the server was told
  door.script.delay = {};
  EXPECT_TRUE((co_await GetText(*connection, "/data/odd", 0, 10)).has_value());
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, LetsGoOfWhatWasGivenUp) {
  world.Run(Gives(door, client()));
}

Task<void> TooMany(DoorWorld& door, Env& client) {
  door.options.limits.max_in_flight = 3;
  door.options.max_connections = 2;
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  auto second = (co_await door.Connect(client)).value();
  const Error third = co_await RefusedAs(door, client, {});
  EXPECT_EQ(third.code(), Code::kOverloaded);
  EXPECT_EQ(door.node->counters().door.refused.value(), 1u);
  door.script.delay = 1s;
  Code codes[4];
  TaskGroup group(client.executor);
  for (Code& code : codes) group.Spawn(GetInto(*connection, "/data/odd", {}, &code));
  co_await group.Join();
  EXPECT_EQ(codes[2], Code::kInternal);    // went well
  EXPECT_EQ(codes[3], Code::kOverloaded);  // refused early
  co_await connection->Close();
  co_await second->Close();
  co_await door.Close();
}

TEST_F(DoorTest, RefusesEarlyWhatIsTooMuch) {
  world.Run(TooMany(door, client()));
}

// ---- Those who do not keep to the protocol.

/// Sends bytes and gives what comes back until the door ends the connection.
Task<Result<std::string>> Exchange(Env& client, std::string address, std::string bytes) {
  FB_CO_ASSIGN(auto stream, co_await client.net.Connect(address, {}));
  const Bytes part = AsBytes(bytes);
  if (!bytes.empty()) FB_CO_TRY(co_await stream->Send(std::span(&part, 1), {}));
  std::string all;
  std::array<std::byte, 4096> buffer;
  for (;;) {
    FB_CO_ASSIGN(const size_t got, co_await stream->Recv(buffer, {}));
    if (got == 0) co_return all;
    all += AsText(Bytes(buffer).first(got));
  }
}

template <class M>
std::string FrameOf(const M& message) {
  std::string frame(4096, '\0');
  frame.resize(EncodeHandshake(Span(frame), message));
  return frame;
}

Task<void> Hostile(DoorWorld& door, Env& client) {
  co_await door.Open();
  const std::string address = door.door->addresses().front();
  std::string big = FrameOf(wire::Hello{.client = {}, .later = {}});
  wire::FrameHeader huge{.meta_size = UINT32_MAX, .type = wire::MessageType::kHello};
  wire::EncodeHeader(huge, Span(big).data());
  // Claims what a list may have, before it said who it is.
  std::string longest = big;
  wire::EncodeHeader({.meta_size = wire::kMaxMetaBytes, .type = wire::MessageType::kHello},
                     Span(longest).data());
  const std::string hello = FrameOf(wire::Hello{.client = {}, .later = {}});
  std::string flipped = hello;
  flipped[40] ^= 1;
  const std::string attacks[] = {"GET / HTTP/1.1\r\nHost: forebay\r\nAccept: */*\r\n\r\n",
                                 std::string(10'000, '\0'),
                                 big,
                                 flipped,
                                 FrameOf(wire::Hello{.magic = 1, .client = {}, .later = {}}),
                                 longest,
                                 FrameOf(wire::Ready{}),
                                 hello + PatternBytes(5000, 4),
                                 hello + FrameOf(wire::Auth{.method = 3, .token_name = {}})};
  for (const std::string& attack : attacks) {
    const auto answer = co_await Exchange(client, address, attack);
    EXPECT_TRUE(answer.has_value());
    if (!answer) continue;
    EXPECT_GT(answer->size(), wire::kHeaderBytes);  // a Refused, at least
  }
  EXPECT_EQ(door.node->counters().door.protocol_errors.value(), std::size(attacks));
  // Nobody else is hurt.
  auto good = (co_await door.Connect(client)).value();
  EXPECT_TRUE((co_await GetText(*good, "/data/small", 0, 4096)).has_value());
  co_await good->Close();
  co_await door.Close();
}

TEST_F(DoorTest, TellsAndDropsWhoeverBreaksTheProtocol) {
  world.Run(Hostile(door, client()));
}

Task<void> Silent(DoorWorld& door, Env& client) {
  door.options.limits.idle_timeout_ms = 60'000;
  co_await door.Open();
  const Instant start = client.clock.Now();
  const auto nothing = co_await Exchange(client, door.door->addresses().front(), "");
  EXPECT_EQ(nothing.value_or("error"), "");
  EXPECT_GE(client.clock.Now() - start, 10s);
  EXPECT_LE(client.clock.Now() - start, 12s);
  auto connection = (co_await door.Connect(client)).value();
  std::ignore = co_await client.clock.Sleep(50s);
  EXPECT_FALSE(connection->broken().has_value());
  std::ignore = co_await client.clock.Sleep(12s);
  EXPECT_TRUE(connection->broken().has_value());
  co_await connection->Close();
  co_await door.Close();
}

TEST_F(DoorTest, EndsTheSilent) {
  world.Run(Silent(door, client()));
}

/// Asks for more than the buffers between us hold and takes nothing of it.
Task<void> NeverTakes(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto stream = (co_await client.net.Connect(door.door->addresses().front(), {})).value();
  std::string bytes = FrameOf(wire::Hello{.client = {}, .later = {}});
  bytes += FrameOf(wire::Auth{.token_name = {}});
  for (uint64_t id = 1; id <= 200; ++id) {
    std::string frame(4096, '\0');
    frame.resize(
        EncodeRequest(Span(frame), id, {},
                      wire::GetRequest{.size = 1u << 20, .path = "/data/big", .if_match = {}}));
    bytes += frame;
  }
  const Bytes part = AsBytes(bytes);
  EXPECT_TRUE((co_await stream->Send(std::span(&part, 1), {})).has_value());
  std::ignore = co_await client.clock.Sleep(1s);
  EXPECT_EQ(door.door->connections(), 1u);
  std::ignore = co_await client.clock.Sleep(300s);
  EXPECT_EQ(door.door->connections(), 0u);
  co_await door.Close();
}

TEST_F(DoorTest, EndsThoseWhoTakeNothing) {
  world.Run(NeverTakes(door, client()));
}

Task<void> StopsInTime(DoorWorld& door, Env& client) {
  co_await door.Open();
  auto connection = (co_await door.Connect(client)).value();
  door.script.delay = 2s;
  Code soon = Code::kCorrupt;
  Code never = Code::kCorrupt;
  TaskGroup group(client.executor);
  group.Spawn(GetInto(*connection, "/data/odd", {}, &soon));
  std::ignore = co_await client.clock.Sleep(2500ms);  // it is opened and being read
  door.script.delay = 100s;
  group.Spawn(GetInto(*connection, "/data/small", {}, &never));
  std::ignore = co_await client.clock.Sleep(500ms);
  co_await door.Close();  // grace 5 s
  co_await group.Join();
  EXPECT_EQ(soon, Code::kInternal);      // was let end
  EXPECT_EQ(never, Code::kUnavailable);  // was not
  EXPECT_TRUE(connection->broken().has_value());
  co_await connection->Close();
}

TEST_F(DoorTest, StopsGracefullyAndInTime) {
  world.Run(StopsInTime(door, client()));
}

/// Asks for the next as soon as it has one, and takes no for no answer.
Task<void> ReadsOn(Connection& connection, int* refused) {
  std::string into(2000, '?');
  while (!connection.broken()) {
    const auto got = co_await connection.Get("/data/big", 0, Span(into), {});
    if (!got && got.error().code() == Code::kOverloaded) ++*refused;
    if (!got && !connection.broken()) {
      EXPECT_EQ(got.error().code(), Code::kOverloaded) << got.error().ToString();
    }
  }
}

Task<void> StopsBesideRestless(DoorWorld& door, Env& client) {
  co_await door.Open();
  std::vector<std::unique_ptr<Connection>> connections;
  TaskGroup group(client.executor);
  int refused = 0;
  for (int i = 0; i < 4; ++i) {
    connections.push_back((co_await door.Connect(client)).value());
    for (int j = 0; j < 8; ++j) group.Spawn(ReadsOn(*connections.back(), &refused));
  }
  std::ignore = co_await client.clock.Sleep(50ms);
  door.script.delay = 100ms;
  Code slow = Code::kCorrupt;
  group.Spawn(GetInto(*connections.front(), "/data/odd", {}, &slow));
  std::ignore = co_await client.clock.Sleep(150ms);  // it is opened and being read
  const Instant begin = client.clock.Now();
  co_await door.Close();  // grace 5 s
  const Duration took = client.clock.Now() - begin;
  EXPECT_GE(took, 20ms);
  EXPECT_LT(took, 300ms) << "it waited for readers that never rest";
  co_await group.Join();
  EXPECT_EQ(slow, Code::kInternal) << "what was in progress was let end";
  EXPECT_GE(refused, 32);
  for (const auto& connection : connections) co_await connection->Close();
}

TEST_F(DoorTest, StopsBesideReadersThatNeverRest) {
  world.Run(StopsBesideRestless(door, client()));
}

}  // namespace
}  // namespace forebay
