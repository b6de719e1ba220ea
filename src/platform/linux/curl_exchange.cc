#include "src/platform/linux/curl_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/platform/linux/curl_words.h"
#include "src/platform/linux/http_words.h"

namespace forebay::platform {
namespace {

/// A body that nobody reads is pulled up to here (and one piece of libcurl's buffer); then the
/// connection is left alone and the peer's sending stops.
constexpr size_t kMaxUnread = 256 * kKiB;
constexpr long kBufferBytes = 256 * kKiB;
/// A peer whose machine is gone is noticed even by who only listens; a path that forgets idle
/// connections does not forget ours.
constexpr long kKeepAliveSeconds = 30;
constexpr long kKeepAliveAgainSeconds = 10;
constexpr size_t kKeptHandles = 64;
constexpr long kConnectTimeoutMs = 10'000;  // the caller's deadline may be shorter
/// What a file of authorities says is believed for so long; reading a system's takes 10 ms and
/// more.
constexpr long kAuthoritiesSeconds = 60;

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Code CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return Code::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return Code::kOverloaded;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

/// Waits for the exchange to change, under a Call.
class CurlExchange::Wait {
 public:
  Wait(CurlExchange& exchange, const Call& call) : exchange_(exchange), call_(call) {}

  bool await_ready() {
    if (call_.cancel.cancelled()) {
      reason_ = Code::kCancelled;
    } else if (call_.deadline <= Reactor::Now()) {
      reason_ = Code::kDeadlineExceeded;
    }
    return reason_.has_value();
  }
  void await_suspend(std::coroutine_handle<> self) {
    FB_ASSERT(exchange_.waiting_ == nullptr);
    exchange_.waiting_ = this;
    waiter_ = self;
    if (call_.deadline != Instant::Never()) {
      timer_.at = call_.deadline;
      timer_.argument = this;
      timer_.fire = [](void* me) { static_cast<Wait*>(me)->End(Code::kDeadlineExceeded); };
      exchange_.reactor_.timers().Add(timer_);
    }
    call_.cancel.Listen(
        listener_, [](void* me) { static_cast<Wait*>(me)->End(Code::kCancelled); }, this);
  }
  /// Why it was given up; nullopt where the exchange changed.
  std::optional<Code> await_resume() const { return reason_; }

  void End(std::optional<Code> reason) {
    reason_ = reason;
    exchange_.reactor_.timers().Remove(timer_);
    listener_.Unlink();
    exchange_.waiting_ = nullptr;
    exchange_.reactor_.Resume(waiter_);
  }

 private:
  CurlExchange& exchange_;
  const Call& call_;
  Timer timer_;
  CancelListener listener_;
  std::coroutine_handle<> waiter_;
  std::optional<Code> reason_;
};

EasyHandles::~EasyHandles() {
  for (CURL* easy : free_) curl_easy_cleanup(easy);
}

CURL* EasyHandles::Take() {
  if (free_.empty()) return curl_easy_init();
  CURL* easy = free_.back();
  free_.pop_back();
  return easy;
}

void EasyHandles::Give(CURL* easy) {
  if (free_.size() == kKeptHandles) return curl_easy_cleanup(easy);
  curl_easy_reset(easy);
  free_.push_back(easy);
}

CurlExchange::CurlExchange(Reactor& reactor, CURLM* multi, EasyHandles& handles,
                           HttpRequest request)
    : reactor_(reactor),
      multi_(multi),
      handles_(handles),
      easy_(handles.Take()),
      request_(std::move(request)),
      what_(Describe(request_)) {
  FB_ASSERT(easy_ != nullptr);
}

CurlExchange::~CurlExchange() {
  FB_ASSERT(waiting_ == nullptr);
  if (added_) curl_multi_remove_handle(multi_, easy_);
  handles_.Give(easy_);
  curl_slist_free_all(header_list_);
}

std::string CurlExchange::peer() const {
  const char* host = nullptr;
  long port = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &host);
  curl_easy_getinfo(easy_, CURLINFO_PRIMARY_PORT, &port);
  if (host == nullptr || *host == '\0' || port == 0) return "";
  const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

uint64_t CurlExchange::BodyBytes() const {
  uint64_t total = 0;
  for (const Bytes part : request_.body) total += part.size();
  return total;
}

Result<void> CurlExchange::SetHeaders() {
  FB_TRY(CheckHeaders(request_, what_));
  for (const HttpHeader& header : request_.headers) {
    const std::string line =
        header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    header_list_ = curl_slist_append(header_list_, line.c_str());
  }
  // Waiting for "100 Continue" costs a round trip, or a second where the peer never says it.
  header_list_ = curl_slist_append(header_list_, "Expect:");
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_list_);
  return {};
}

void CurlExchange::SetMethodAndBody() {
  const uint64_t bytes = BodyBytes();
  const std::string& method = request_.method;
  if (method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (bytes > 0 || method == "PUT" || method == "POST") {
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes));
  }
  body_given_ = bytes == 0;
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &CurlExchange::OnRead);
  curl_easy_setopt(easy_, CURLOPT_READDATA, this);
  // A kept connection that the peer closed meanwhile is replaced, and the body begun anew.
  curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &CurlExchange::OnSeek);
  curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
}

void CurlExchange::SetLimits() {
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // One exchange a connection: a reader who pauses holds up nobody else.
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPINTVL, kKeepAliveAgainSeconds);
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
}

void CurlExchange::SetTls() {
  curl_easy_setopt(easy_, CURLOPT_CA_CACHE_TIMEOUT, kAuthoritiesSeconds);
  if (request_.tls == nullptr) return;
  const auto set = [this](CURLoption option, const std::string& file) {
    if (!file.empty()) curl_easy_setopt(easy_, option, file.c_str());
  };
  set(CURLOPT_CAINFO, request_.tls->ca_file);
  set(CURLOPT_SSLCERT, request_.tls->certificate_file);
  set(CURLOPT_SSLKEY, request_.tls->key_file);
}

Result<void> CurlExchange::Start() {
  if (!request_.url.starts_with("http://") && !request_.url.starts_with("https://")) {
    return Fail(Code::kInvalidArgument, what_ + ": not an http:// or https:// URL");
  }
  FB_TRY(SetHeaders());
  SetMethodAndBody();
  SetLimits();
  SetTls();
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &CurlExchange::OnHeader);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &CurlExchange::OnBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  const CURLMcode added = curl_multi_add_handle(multi_, easy_);
  if (added != CURLM_OK) {
    return Fail(Code::kInternal, fmt::format("{}: {}", what_, curl_multi_strerror(added)));
  }
  added_ = true;
  return {};
}

void CurlExchange::Finish(CURLcode code) {
  curl_multi_remove_handle(multi_, easy_);
  added_ = false;
  ended_ = true;
  code_ = code;
  Notify();
}

void CurlExchange::Notify() {
  if (waiting_ != nullptr) waiting_->End(std::nullopt);
}

Error CurlExchange::EndError() const {
  return Error(CodeOf(code_), fmt::format("{}: {}", what_, WordsOf(easy_, code_, request_)));
}

Task<Result<void>> CurlExchange::WaitForHead(Call call) {
  while (!HeadReady()) {
    const std::optional<Code> stopped = co_await Wait(*this, call);
    if (stopped) co_return Fail(*stopped, what_ + ": no response yet");
  }
  head_taken_ = true;
  if (!head_done_) co_return Fail(EndError());
  co_return Result<void>{};
}

Task<Result<size_t>> CurlExchange::Read(MutableBytes into, Call call) {
  FB_ASSERT(!into.empty());
  if (read_at_ == buffer_.size()) target_ = into;
  filled_ = 0;
  while (filled_ == 0 && !BodyReady()) {
    if (paused_) {
      paused_ = false;
      curl_easy_pause(easy_, CURLPAUSE_CONT);  // may bring bytes, or the end, at once
      continue;
    }
    const std::optional<Code> stopped = co_await Wait(*this, call);
    if (stopped && filled_ == 0) {
      target_ = {};
      co_return Fail(*stopped, what_ + ": reading the body");
    }
  }
  target_ = {};
  if (filled_ > 0) co_return std::exchange(filled_, 0);
  const size_t copied = CopyBuffered(into);
  if (copied == 0 && code_ != CURLE_OK) co_return Fail(EndError());
  co_return copied;
}

size_t CurlExchange::CopyBuffered(MutableBytes into) {
  const size_t size = std::min(into.size(), buffer_.size() - read_at_);
  if (size > 0) std::memcpy(into.data(), buffer_.data() + read_at_, size);
  read_at_ += size;
  if (read_at_ == buffer_.size()) {
    buffer_.clear();
    read_at_ = 0;
  }
  return size;
}

void CurlExchange::TakeHeaderLine(std::string_view line) {
  if (head_done_) return;  // a trailer
  if (line.starts_with("HTTP/")) {
    headers_.clear();
    return;
  }
  if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    headers_.push_back(
        {std::string(Trim(line.substr(0, colon))), std::string(Trim(line.substr(colon + 1)))});
    return;
  }
  if (!Trim(line).empty()) return;
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200) return;  // "100 Continue" and the like: the real head follows
  status_ = static_cast<int>(status);
  head_done_ = true;
  if (HeadReady()) Notify();
}

size_t CurlExchange::TakeBody(Bytes bytes) {
  const size_t taken = bytes.size();
  const size_t direct = std::min(taken, target_.size() - filled_);
  if (direct > 0) {
    std::memcpy(target_.data() + filled_, bytes.data(), direct);
    filled_ += direct;
    bytes = bytes.subspan(direct);
    Notify();
    if (bytes.empty()) return taken;
  } else if (buffer_.size() - read_at_ >= kMaxUnread) {
    paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(read_at_));
  read_at_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (head_taken_) Notify();
  return taken;
}

size_t CurlExchange::GiveBody(MutableBytes into) {
  if (head_taken_) return CURL_READFUNC_ABORT;
  if (request_.left != nullptr) *request_.left = true;
  size_t given = 0;
  while (given < into.size() && part_ < request_.body.size()) {
    const Bytes rest = request_.body[part_].subspan(part_offset_);
    const size_t size = std::min(rest.size(), into.size() - given);
    if (size > 0) std::memcpy(into.data() + given, rest.data(), size);
    given += size;
    part_offset_ += size;
    if (size == rest.size()) {
      ++part_;
      part_offset_ = 0;
    }
  }
  body_given_ = part_ == request_.body.size();
  if (body_given_ && HeadReady()) Notify();
  return given;
}

size_t CurlExchange::OnHeader(char* data, size_t size, size_t count, void* me) {
  static_cast<CurlExchange*>(me)->TakeHeaderLine({data, size * count});
  return size * count;
}

size_t CurlExchange::OnBody(char* data, size_t size, size_t count, void* me) {
  return static_cast<CurlExchange*>(me)->TakeBody(AsBytes({data, size * count}));
}

size_t CurlExchange::OnRead(char* into, size_t size, size_t count, void* me) {
  return static_cast<CurlExchange*>(me)->GiveBody(
      std::as_writable_bytes(std::span(into, size * count)));
}

int CurlExchange::OnSeek(void* me, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<CurlExchange*>(me);
  if (offset != 0 || origin != SEEK_SET || exchange.head_taken_) return CURL_SEEKFUNC_CANTSEEK;
  if (exchange.request_.once) return CURL_SEEKFUNC_FAIL;  // it would be sent again
  exchange.part_ = 0;
  exchange.part_offset_ = 0;
  exchange.body_given_ = exchange.request_.body.empty();
  return CURL_SEEKFUNC_OK;
}

}  // namespace forebay::platform
