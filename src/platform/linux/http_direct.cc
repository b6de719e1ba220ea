#include "src/platform/linux/http_direct.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/platform/linux/http_reply.h"
#include "src/platform/linux/http_words.h"
#include "src/platform/linux/socket_stream.h"

namespace forebay::platform {
namespace {

/// Holds a head, and what comes of the body with it has to be copied. More than the loop takes for
/// a small message, which would come by way of a pool of buffers.
constexpr size_t kBufferBytes = 8 * kKiB;
/// Then libcurl tries, which knows more ways and has more to say where none leads there.
constexpr Duration kConnectPatience = std::chrono::seconds(2);
/// Most servers close what was silent for longer.
constexpr Duration kMostIdle = std::chrono::seconds(60);

/// Each piece of a body that wakes who receives it costs sender and receiver more than its bytes:
/// once a body has come to be a large one, of so many at a time...
constexpr uint64_t kLargeBody = kMiB;
constexpr uint64_t kManyBytes = 512 * kKiB;
/// ...unless they take longer, which nobody who waits for the first of them should.
constexpr Duration kManyPatience = std::chrono::milliseconds(10);

constexpr const char* kProxyVariables[] = {"http_proxy", "all_proxy", "ALL_PROXY"};

bool ProxyIsSet() {
  return std::ranges::any_of(kProxyVariables, [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  });
}

/// Where a request goes, and what it says there.
struct Target {
  std::string address;  // "host:80"
  std::string host;     // as the header has it
  std::string path;
};

/// nullopt: not ours.
std::optional<Target> TargetOf(const HttpRequest& request) {
  constexpr std::string_view kScheme = "http://", kDefaultPort = ":80";
  if (request.method != "GET" || !request.body.empty() || request.once) return std::nullopt;
  std::string address = AddressOfPlain(request.url);
  if (address.empty()) return std::nullopt;
  const std::string_view url = std::string_view(request.url).substr(kScheme.size());
  std::string_view host = url.substr(0, url.find_first_of("/?"));
  const std::string_view path = url.substr(host.size());
  if (host.ends_with(kDefaultPort)) host.remove_suffix(kDefaultPort.size());
  return Target{.address = std::move(address),
                .host = std::string(host),
                .path = fmt::format("{}{}", path.starts_with('/') ? "" : "/", path)};
}

std::string FormatRequest(const Target& target, const HttpRequest& request) {
  constexpr size_t kUsualBytes = 1024;
  const auto has = [&request](std::string_view name) {
    return std::ranges::any_of(request.headers,
                               [name](const auto& one) { return SameHeaderName(one.name, name); });
  };
  std::string text;
  text.reserve(kUsualBytes);
  text.append("GET ").append(target.path).append(" HTTP/1.1\r\n");
  if (!has("Host")) text.append("Host: ").append(target.host).append("\r\n");
  if (!has("Accept")) text.append("Accept: */*\r\n");
  for (const HttpHeader& header : request.headers) {
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  return text.append("\r\n");
}

/// A connection, and what came on it that nobody has read.
struct Connection {
  std::unique_ptr<Stream> stream;  // a SocketStream: LinuxNet has no others
  std::string address;
  Instant kept_since;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);
  size_t begin = 0, end = 0;

  bool HasNews() const { return static_cast<const SocketStream&>(*stream).HasNews(); }
  void WakeAt(uint64_t bytes) {
    static_cast<SocketStream&>(*stream).WakeAt(static_cast<int>(bytes));
  }
  Bytes unread() const { return Bytes(buffer).subspan(begin, end - begin); }
  /// More into the buffer; 0 where the peer has ended. There must be room behind what is unread.
  Task<Result<size_t>> Receive(Call call) {
    if (begin > 0) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= std::exchange(begin, 0);
    }
    FB_CO_ASSIGN(const size_t came, co_await stream->Recv(MutableBytes(buffer).subspan(end), call));
    end += came;
    co_return came;
  }
};

/// Those that nobody uses now.
class Connections {
 public:
  Connections(Clock& clock, HttpLimits limits) : clock_(clock), limits_(limits) {}
  ~Connections() { FB_ASSERT(in_use_ == 0); }

  /// One more in use, or about to be, until it goes.
  class Use {
   public:
    explicit Use(Connections& of) : of_(of) { ++of_.in_use_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { --of_.in_use_; }

   private:
    Connections& of_;
  };
  bool HasRoom() const { return in_use_ < limits_.connections; }
  void Keep(std::unique_ptr<Connection> connection) {
    connection->kept_since = clock_.Now();
    kept_.push_back(std::move(connection));
    DropOld();
  }
  /// The one that was used last. Null: there is none.
  std::unique_ptr<Connection> Take(const std::string& address) {
    DropOld();
    for (;;) {
      const auto at = std::find_if(kept_.rbegin(), kept_.rend(),
                                   [&](const auto& one) { return one->address == address; });
      if (at == kept_.rend()) return nullptr;
      std::unique_ptr<Connection> taken = std::move(*at);
      kept_.erase(std::next(at).base());
      // The server has closed it, or said something that would be taken for the next answer: some
      // say 408 before they close.
      if (!taken->HasNews()) return taken;
    }
  }

 private:
  void DropOld() {
    const Instant now = clock_.Now();
    while (!kept_.empty() && (std::ssize(kept_) > limits_.kept_connections ||
                              now - kept_.front()->kept_since > kMostIdle)) {
      kept_.pop_front();
    }
  }

  Clock& clock_;
  const HttpLimits limits_;
  long in_use_ = 0;
  std::deque<std::unique_ptr<Connection>> kept_;  // the longest first
};

class DirectResponse final : public HttpResponse {
 public:
  DirectResponse(Clock& clock, Connections& connections, std::unique_ptr<Connections::Use> use,
                 std::unique_ptr<Connection> connection, std::string what)
      : clock_(clock),
        connections_(connections),
        use_(std::move(use)),
        connection_(std::move(connection)),
        what_(std::move(what)) {}

  Task<Result<void>> Exchange(std::string request, Call call);
  /// Not a byte of an answer.
  bool silent() const { return silent_; }
  /// What came is not read as HTTP here.
  bool odd() const { return odd_; }
  std::unique_ptr<Connections::Use> TakeUse() { return std::move(use_); }

  int status() const override { return reply_.status(); }
  const std::vector<HttpHeader>& headers() const override { return headers_; }
  std::string_view Header(std::string_view name) const override {
    for (const HttpHeader& header : headers_) {
      if (SameHeaderName(header.name, name)) return header.value;
    }
    return "";
  }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;

 private:
  Task<Result<size_t>> ReadPlain(MutableBytes into, Call call);
  Task<Result<size_t>> ReadChunked(MutableBytes into, Call call);
  Task<Result<size_t>> ReceiveMany(MutableBytes into, Call call);
  Task<Result<size_t>> Receive(Call call);
  void BeginBody();
  /// All of the body was read: the connection is for others now, if it can be.
  void End();
  Error Broken(const Error& error);

  Clock& clock_;
  Connections& connections_;
  std::unique_ptr<Connections::Use> use_;
  std::unique_ptr<Connection> connection_;  // null once it was given back
  const std::string what_;
  ReplyReader reply_;
  std::vector<HttpHeader> headers_;
  ReplyReader::Body body_ = ReplyReader::Body::kSized;
  uint64_t left_ = 0;  // of a body whose size is known
  bool slow_ = false;  // it comes in small pieces
  bool silent_ = true;
  bool odd_ = false;
  bool broken_ = false;
  bool ended_ = false;  // all of the body was read
};

/// Whatever becomes of a socket, the origin was not reached, unless time was up.
Error DirectResponse::Broken(const Error& error) {
  broken_ = true;
  const bool ours = error.code() == Code::kDeadlineExceeded || error.code() == Code::kCancelled;
  return Error(ours ? error.code() : Code::kUnavailable,
               fmt::format("{}: {}", what_, error.message()));
}

Task<Result<size_t>> DirectResponse::Receive(Call call) {
  auto came = co_await connection_->Receive(call);
  if (came && *came > 0) silent_ = false;
  co_return came;
}

Task<Result<void>> DirectResponse::Exchange(std::string request, Call call) {
  const Bytes bytes = AsBytes(request);
  if (const auto sent = co_await connection_->stream->Send(std::span(&bytes, 1), call); !sent) {
    co_return Fail(Broken(sent.error()));
  }
  while (!reply_.head_done()) {
    if (connection_->unread().size() == ReplyReader::kMaxHeadBytes) {
      co_return Fail(Broken(Error(Code::kUnavailable, "the answer's head has no end")));
    }
    if (connection_->unread().size() == connection_->buffer.size()) {
      connection_->buffer.resize(ReplyReader::kMaxHeadBytes);
    }
    const auto came = co_await Receive(call);
    if (!came) co_return Fail(Broken(came.error()));
    if (*came == 0) {
      co_return Fail(Broken(Error(Code::kUnavailable, "the server closed without an answer")));
    }
    for (;;) {
      const auto used = reply_.ReadHead(connection_->unread());
      odd_ = !used;
      if (!used) co_return Fail(Broken(used.error()));
      connection_->begin += *used;
      if (*used == 0 || reply_.head_done() || connection_->unread().empty()) break;
    }
  }
  BeginBody();
  co_return Result<void>();
}

void DirectResponse::BeginBody() {
  headers_ = reply_.TakeHeaders();
  body_ = reply_.body();
  left_ = reply_.size();
  if (body_ == ReplyReader::Body::kSized && left_ == 0) End();
}

void DirectResponse::End() {
  ended_ = true;
  const bool again = connection_->unread().empty() && reply_.keep_alive();
  if (again) {
    connection_->WakeAt(1);
    connections_.Keep(std::move(connection_));
  }
  connection_.reset();
  use_.reset();
}

Task<Result<size_t>> DirectResponse::Read(MutableBytes into, Call call) {
  FB_ASSERT(!into.empty());
  if (ended_) co_return size_t{0};
  if (broken_) co_return Fail(Code::kUnavailable, what_ + ": the connection broke");
  auto came = body_ == ReplyReader::Body::kChunked ? co_await ReadChunked(into, call)
                                                   : co_await ReadPlain(into, call);
  if (came) co_return came;
  const bool again = came.error().code() == Code::kDeadlineExceeded;
  const Error error = Broken(came.error());
  broken_ = !again;  // nothing of the body is lost by having waited in vain
  co_return Fail(error);
}

Task<Result<size_t>> DirectResponse::ReadPlain(MutableBytes into, Call call) {
  const bool sized = body_ == ReplyReader::Body::kSized;
  if (sized) into = into.first(std::min<uint64_t>(into.size(), left_));
  size_t came = std::min(into.size(), connection_->unread().size());
  if (came > 0) {
    std::memcpy(into.data(), connection_->unread().data(), came);
    connection_->begin += came;
  } else {
    FB_CO_ASSIGN(came, co_await ReceiveMany(into, call));
  }
  if (sized) {
    if (came == 0) {
      co_return Fail(Code::kUnavailable,
                     fmt::format("the connection ended {} bytes before the body", left_));
    }
    left_ -= came;
  }
  if (sized ? left_ == 0 : came == 0) End();
  co_return came;
}

Task<Result<size_t>> DirectResponse::ReceiveMany(MutableBytes into, Call call) {
  const bool many = body_ == ReplyReader::Body::kSized && reply_.size() - left_ >= kLargeBody;
  if (many && !slow_) {
    connection_->WakeAt(std::min(left_, kManyBytes));
    const Instant patience = clock_.Now() + kManyPatience;
    auto came =
        co_await connection_->stream->Recv(into, {std::min(call.deadline, patience), call.cancel});
    const bool in_vain = !came && came.error().code() == Code::kDeadlineExceeded;
    if (!in_vain) co_return came;
    slow_ = true;
    connection_->WakeAt(1);
    if (call.deadline <= patience) co_return came;
  }
  co_return co_await connection_->stream->Recv(into, call);
}

Task<Result<size_t>> DirectResponse::ReadChunked(MutableBytes into, Call call) {
  for (;;) {
    FB_CO_ASSIGN(const auto progress, reply_.ReadChunked(connection_->unread(), into));
    connection_->begin += progress.consumed;
    if (reply_.chunked_done()) End();
    if (progress.produced > 0 || ended_) co_return progress.produced;
    if (progress.consumed > 0) continue;
    if (connection_->unread().size() == connection_->buffer.size()) {
      co_return Fail(Code::kUnavailable, "a chunk's head, or a trailer, without an end");
    }
    FB_CO_ASSIGN(const size_t came, co_await Receive(call));
    if (came == 0) co_return Fail(Code::kUnavailable, "the connection ended in the body");
  }
}

class DirectHttp final : public Http {
 public:
  DirectHttp(LinuxNet& net, Clock& clock, HttpLimits limits, KnownAddresses& known,
             std::unique_ptr<Http> rest)
      : net_(net),
        clock_(clock),
        known_(known),
        connections_(clock, limits),
        rest_(std::move(rest)) {}

  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) override;

 private:
  Task<Result<std::unique_ptr<Connection>>> Connect(std::string address, Call call);

  LinuxNet& net_;
  Clock& clock_;
  KnownAddresses& known_;
  const bool proxied_ = ProxyIsSet();
  Connections connections_;
  const std::unique_ptr<Http> rest_;
};

Task<Result<std::unique_ptr<Connection>>> DirectHttp::Connect(std::string address, Call call) {
  const std::string numeric = known_.Find(address);
  if (numeric.empty()) co_return Fail(Code::kUnavailable, address + " is not known");
  const Instant until = clock_.Now() + kConnectPatience;
  auto stream = co_await net_.Connect(numeric, {std::min(call.deadline, until), call.cancel});
  if (!stream) {
    const Code code = stream.error().code();
    if (code == Code::kUnavailable || clock_.Now() >= until) known_.Avoid(address);
    co_return Fail(stream.error());
  }
  auto made = std::make_unique<Connection>();
  made->stream = *std::move(stream);
  made->address = std::move(address);
  co_return made;
}

Task<Result<std::unique_ptr<HttpResponse>>> DirectHttp::Send(HttpRequest request, Call call) {
  const auto target = proxied_ ? std::nullopt : TargetOf(request);
  if (!target || !connections_.HasRoom()) co_return co_await rest_->Send(std::move(request), call);
  const std::string what = Describe(request);
  FB_CO_TRY(CheckHeaders(request, what));
  const std::string text = FormatRequest(*target, request);
  auto use = std::make_unique<Connections::Use>(connections_);
  auto connection = connections_.Take(target->address);
  bool kept = connection != nullptr;
  for (;;) {
    if (connection == nullptr) {
      auto made = co_await Connect(target->address, call);
      if (!made) break;
      connection = *std::move(made);
    }
    auto response = std::make_unique<DirectResponse>(clock_, connections_, std::move(use),
                                                     std::move(connection), what);
    const auto done = co_await response->Exchange(text, call);
    if (done) co_return std::move(response);
    if (response->odd()) {
      known_.Avoid(target->address);
      break;
    }
    // The server may have closed it meanwhile.
    const bool closed = kept && response->silent() && done.error().code() == Code::kUnavailable;
    if (!closed) co_return Fail(done.error());
    kept = false;
    use = response->TakeUse();
  }
  use.reset();
  co_return co_await rest_->Send(std::move(request), call);
}

}  // namespace

std::unique_ptr<Http> MakeDirectHttp(LinuxNet& net, Clock& clock, HttpLimits limits,
                                     KnownAddresses& known, std::unique_ptr<Http> rest) {
  return std::make_unique<DirectHttp>(net, clock, limits, known, std::move(rest));
}

}  // namespace forebay::platform
