// What Unix sockets carry besides bytes: who the peer is, and descriptors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "src/base/units.h"
#include "src/platform/linux/test_loop.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

class DescriptorsOnBoth : public LoopTest {
 protected:
  std::unique_ptr<Listener> Listen(const std::string& address) {
    auto listener = env().net.Listen(address);
    EXPECT_TRUE(listener.has_value()) << listener.error().ToString();
    return std::move(*listener);
  }
};
INSTANTIATE_TEST_SUITE_P(Io, DescriptorsOnBoth, testing::ValuesIn(kBothBackends), BackendTestName);

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

Task<void> AcceptInto(Listener& listener, std::unique_ptr<Stream>* into) {
  auto stream = co_await listener.Accept({});
  EXPECT_TRUE(stream.has_value()) << stream.error().ToString();
  if (stream) *into = std::move(*stream);
}

Task<Pair> Connected(Env& env, Listener& listener) {
  Pair pair;
  TaskGroup group(env.executor);
  group.Spawn(AcceptInto(listener, &pair.server));
  auto client = co_await env.net.Connect(listener.address(), {});
  EXPECT_TRUE(client.has_value()) << client.error().ToString();
  if (client) pair.client = std::move(*client);
  co_await group.Join();
  co_return pair;
}

TEST_P(DescriptorsOnBoth, AUnixPeerIsKnown) {
  const PeerProcess self{.uid = getuid(), .gid = getgid(), .pid = static_cast<uint32_t>(getpid())};
  const auto local = Listen("unix:" + PathOf("s"));
  const Pair pair = loop_->Run(Connected(env(), *local));
  EXPECT_EQ(pair.server->peer_process(), self);
  EXPECT_EQ(pair.client->peer_process(), self);
  const auto tcp = Listen("127.0.0.1:0");
  EXPECT_EQ(loop_->Run(Connected(env(), *tcp)).server->peer_process(), std::nullopt);
}

struct Received {
  std::string text;
  std::vector<std::unique_ptr<Descriptor>> descriptors;
  Result<void> result;
};

Task<void> ReceiveInto(Stream& stream, size_t size, Received* into) {
  std::vector<std::byte> buffer(64 * kKiB);
  while (into->text.size() < size) {
    const auto read = co_await stream.RecvDescriptors(buffer, &into->descriptors, {});
    if (!read) into->result = Fail(read.error());
    if (!read || *read == 0) co_return;
    into->text += AsText(Bytes(buffer).first(*read));
  }
}

Task<Received> SendAndReceive(Env& env, Listener& listener, std::string text,
                              std::vector<int> descriptors) {
  const Pair pair = co_await Connected(env, listener);
  Received received;
  TaskGroup group(env.executor);
  group.Spawn(ReceiveInto(*pair.server, text.size() + 4, &received));
  const Bytes parts[] = {AsBytes(text).first(1), AsBytes(text).subspan(1)};
  const auto sent = co_await pair.client->SendDescriptors(parts, descriptors, {});
  EXPECT_TRUE(sent.has_value()) << sent.error().ToString();
  const Bytes rest[] = {AsBytes("rest")};
  EXPECT_TRUE((co_await pair.client->Send(rest, {})).has_value());
  co_await group.Join();
  co_return received;
}

bool SameFile(int a, int b) {
  struct stat of_a{}, of_b{};
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_ino == of_b.st_ino;
}

TEST_P(DescriptorsOnBoth, DescriptorsGoWithBytesOfAnySize) {
  const auto listener = Listen("unix:" + PathOf("s"));
  const int fd = open(PathOf("file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  for (const size_t size : {size_t{2}, size_t{100}, size_t{3 * kMiB}}) {
    for (const size_t count : {size_t{1}, kMaxDescriptors}) {
      const std::string text(size, 'x');
      Received got =
          loop_->Run(SendAndReceive(env(), *listener, text, std::vector<int>(count, fd)));
      EXPECT_TRUE(got.result.has_value());
      EXPECT_EQ(got.text, text + "rest");
      ASSERT_EQ(got.descriptors.size(), count);
      const int number = got.descriptors.back()->number();
      EXPECT_NE(number, fd);
      EXPECT_TRUE(SameFile(number, fd));
      EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
      got.descriptors.clear();
      EXPECT_LT(fcntl(number, F_GETFD), 0);  // closed with their owner
    }
  }
  close(fd);
}

Task<Code> SendCode(Stream& stream, std::vector<int> descriptors) {
  const Bytes parts[] = {AsBytes("x")};
  const auto sent = co_await stream.SendDescriptors(parts, descriptors, {});
  co_return sent ? Code::kInternal : sent.error().code();
}

TEST_P(DescriptorsOnBoth, RefusesWhatCannotGo) {
  const auto tcp = Listen("127.0.0.1:0");
  const Pair far = loop_->Run(Connected(env(), *tcp));
  EXPECT_EQ(loop_->Run(SendCode(*far.client, {0})), Code::kUnsupported);
  const auto local = Listen("unix:" + PathOf("s"));
  const Pair near = loop_->Run(Connected(env(), *local));
  EXPECT_EQ(loop_->Run(SendCode(*near.client, {})), Code::kInvalidArgument);
  EXPECT_EQ(loop_->Run(SendCode(*near.client, std::vector<int>(kMaxDescriptors + 1, 0))),
            Code::kInvalidArgument);
  EXPECT_NE(loop_->Run(SendCode(*near.client, {12345})), Code::kInternal);
}

/// A node receives by Recv alone: what a client sends along is not kept open.
Task<void> ReceivePlainly(Env& env, Listener& listener, int fd) {
  const Pair pair = co_await Connected(env, listener);
  const Bytes parts[] = {AsBytes("text")};
  const int fds[] = {fd};
  EXPECT_TRUE((co_await pair.client->SendDescriptors(parts, fds, {})).has_value());
  std::byte buffer[100];
  const int next = dup(0);
  close(next);
  const auto read = co_await pair.server->Recv(buffer, {});
  EXPECT_EQ(read.value_or(0), 4u);
  const int still_next = dup(0);
  close(still_next);
  EXPECT_EQ(next, still_next);
}

TEST_P(DescriptorsOnBoth, RecvKeepsNone) {
  const auto listener = Listen("unix:" + PathOf("s"));
  loop_->Run(ReceivePlainly(env(), *listener, 0));
}

Task<Code> ReceiveUntilDeadline(Env& env, Listener& listener) {
  const Pair pair = co_await Connected(env, listener);
  std::vector<std::unique_ptr<Descriptor>> descriptors;
  std::byte buffer[100];
  const Call call{.deadline = env.clock.Now() + std::chrono::milliseconds(2)};
  const auto read = co_await pair.server->RecvDescriptors(buffer, &descriptors, call);
  co_return read ? Code::kInternal : read.error().code();
}

TEST_P(DescriptorsOnBoth, ReceivingEndsByDeadline) {
  const auto listener = Listen("unix:" + PathOf("s"));
  EXPECT_EQ(loop_->Run(ReceiveUntilDeadline(env(), *listener)), Code::kDeadlineExceeded);
}

TEST(DescriptorLimit, IsRaisedToTheHardOne) {
  EXPECT_GE(RaiseDescriptorLimit(), 256u);
  EXPECT_EQ(RaiseDescriptorLimit(), RaiseDescriptorLimit());
}

}  // namespace
}  // namespace forebay
