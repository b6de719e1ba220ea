// The client library against servers that break the protocol, lie, or fall silent.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "include/forebay/forebay.h"
#include "src/base/checksum.h"
#include "src/wire/codec.h"
#include "src/wire/inbox.h"
#include "src/wire/pieces.h"
#include "src/wire/read_messages.h"

namespace forebay {
namespace {

using wire::FrameHeader;
using wire::MessageType;

constexpr uint32_t kBytes = 10'000;

/// Plays a node, one connection after the other, by blocking calls in a thread.
class FakeNode {
 public:
  /// Answers one request; false ends the connection.
  using Answer = std::function<bool(FakeNode&, const FrameHeader&, Bytes meta)>;

  explicit FakeNode(Answer answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this] { Run(); });
  }
  ~FakeNode() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  forebay_client* Connect(uint32_t timeout_ms) {
    forebay_options options{};
    options.size = sizeof options;
    options.node = address_.c_str();
    options.timeout_ms = timeout_ms;
    options.connections = 1;
    forebay_client* client = nullptr;
    EXPECT_EQ(forebay_connect(&options, &client), FOREBAY_OK) << forebay_last_error();
    return client;
  }

  void Send(Bytes bytes) { std::ignore = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  template <class M>
  void Say(const FrameHeader& request, const M& message, uint32_t data_size = 0) {
    std::vector<std::byte> frame(1 << 16);
    Send(Bytes(frame).first(EncodeAnswer(frame, request, 0, message, data_size)));
  }
  /// The usual answers to Open and Read, with checksums and bytes as told.
  void SayOpened(const FrameHeader& request) {
    Say(request,
        wire::OpenAnswer{
            .handle = 1,
            .info = {.version = version, .size = kBytes, .block_bytes = 1 << 20, .etag = "e"}});
  }
  void SayRead(const FrameHeader& request, bool right, uint32_t size = kBytes) {
    std::vector<uint32_t> crcs(wire::PieceCount(0, size));
    const std::string data(size, 'x');
    ComputeCrcs(BlockKey::Of(version, 0), 0, AsBytes(data), crcs.data());
    if (!right) crcs.back() ^= 1;
    Say(request, wire::ReadAnswer{.crcs = std::as_bytes(std::span(crcs))}, size);
    Send(AsBytes(data));
  }

  const VersionId version{{.hi = 1, .lo = 2}};
  int connections = 0;
  int reads = 0;

 private:
  void Run() {
    for (;;) {
      fd_ = accept(listener_, nullptr, nullptr);
      if (fd_ < 0) return;
      ++connections;
      Serve();
      close(fd_);
    }
  }
  void Serve() {
    wire::Inbox inbox;
    for (;;) {
      const auto whole = inbox.Parse();
      if (!whole) return;
      if (!*whole) {
        const MutableBytes room = inbox.Room(4096);
        const ssize_t got = recv(fd_, room.data(), room.size(), 0);
        if (got <= 0) return;
        inbox.Received(static_cast<size_t>(got));
        continue;
      }
      const FrameHeader header = inbox.header();
      if (!Greet(header) && !answer_(*this, header, inbox.meta())) return;
      inbox.Finish();
    }
  }
  bool Greet(const FrameHeader& header) {
    std::byte frame[1024];
    if (header.type == MessageType::kHello) {
      Send(Bytes(frame, EncodeHandshake(frame, wire::Welcome{.auth_methods = wire::kAuthNone,
                                                             .node_name = "fake"})));
    } else if (header.type == MessageType::kAuth) {
      Send(Bytes(frame, EncodeHandshake(frame, wire::Ready{})));
    } else {
      return false;
    }
    return true;
  }

  const Answer answer_;
  std::string address_;
  int listener_ = -1;
  int fd_ = -1;
  std::thread thread_;
};

/// Opens and reads once; the status, and the bytes in `into`.
int64_t OpenAndRead(FakeNode& node, uint32_t timeout_ms, std::string* into) {
  forebay_client* client = node.Connect(timeout_ms);
  forebay_file* file = nullptr;
  int64_t got = forebay_open(client, "/data/x", &file);
  into->assign(kBytes, '\0');
  if (got >= 0) got = forebay_read(file, into->data(), into->size(), 0);
  forebay_close(file);
  forebay_disconnect(client);
  return got;
}

TEST(HostileNode, WrongBytesAreAskedForAgainAndThenRefused) {
  FakeNode lies([](FakeNode& node, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) node.SayOpened(header);
    if (header.type == MessageType::kRead) node.SayRead(header, false);
    return true;
  });
  std::string into;
  EXPECT_EQ(OpenAndRead(lies, 5000, &into), FOREBAY_CORRUPT) << forebay_last_error();

  FakeNode mends([](FakeNode& node, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) node.SayOpened(header);
    if (header.type == MessageType::kRead) {
      node.SayRead(header, (header.flags & wire::kCheckFirst) != 0);
    }
    return true;
  });
  EXPECT_EQ(OpenAndRead(mends, 5000, &into), kBytes) << forebay_last_error();
  EXPECT_EQ(into, std::string(kBytes, 'x'));
}

TEST(HostileNode, AnAnswerOfAnotherSizeIsRefused) {
  FakeNode node([](FakeNode& fake, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) fake.SayOpened(header);
    if (header.type == MessageType::kRead) fake.SayRead(header, true, kBytes - 100);
    return true;
  });
  std::string into;
  EXPECT_EQ(OpenAndRead(node, 5000, &into), FOREBAY_CORRUPT) << forebay_last_error();
}

TEST(HostileNode, GarbageEndsTheConnection) {
  FakeNode node([](FakeNode& fake, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) fake.SayOpened(header);
    if (header.type == MessageType::kRead && ++fake.reads == 1) {
      fake.Send(AsBytes(std::string(100, '?')));
      return true;
    }
    if (header.type == MessageType::kRead) fake.SayRead(header, true);
    return true;
  });
  std::string into;
  EXPECT_EQ(OpenAndRead(node, 5000, &into), FOREBAY_CORRUPT) << forebay_last_error();
}

TEST(HostileNode, AConnectionThatEndsWithinAnAnswerIsReplaced) {
  FakeNode node([](FakeNode& fake, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) fake.SayOpened(header);
    if (header.type != MessageType::kRead) return true;
    if (++fake.reads > 3) {
      fake.SayRead(header, true);
      return true;
    }
    std::vector<uint32_t> crcs(3);
    fake.Say(header, wire::ReadAnswer{.crcs = std::as_bytes(std::span(crcs))}, kBytes);
    fake.Send(AsBytes(std::string(fake.reads * 1000, '?')));
    return false;
  });
  std::string into;
  EXPECT_EQ(OpenAndRead(node, 10'000, &into), kBytes) << forebay_last_error();
  EXPECT_EQ(into, std::string(kBytes, 'x'));
}

TEST(HostileNode, SilenceEndsAtTheDeadlineAndWithinAnAnswerToo) {
  FakeNode node([](FakeNode& fake, const FrameHeader& header, Bytes) {
    if (header.type == MessageType::kOpen) fake.SayOpened(header);
    if (header.type != MessageType::kRead) return true;
    std::vector<uint32_t> crcs(3);
    fake.Say(header, wire::ReadAnswer{.crcs = std::as_bytes(std::span(crcs))}, kBytes);
    fake.Send(AsBytes(std::string(1000, '?')));
    return true;
  });
  std::string into;
  EXPECT_EQ(OpenAndRead(node, 200, &into), FOREBAY_DEADLINE_EXCEEDED) << forebay_last_error();
}

TEST(HostileNode, AWriteWhoseAnswerIsLostSaysSo) {
  FakeNode node([](FakeNode&, const FrameHeader& header, Bytes) {
    return header.type != MessageType::kDelete;
  });
  forebay_client* client = node.Connect(5000);
  EXPECT_EQ(forebay_delete(client, "/data/x", nullptr), FOREBAY_UNAVAILABLE);
  EXPECT_NE(std::string(forebay_last_error()).find("not known"), std::string::npos)
      << forebay_last_error();
  forebay_disconnect(client);
}

}  // namespace
}  // namespace forebay
