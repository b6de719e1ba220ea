#include "src/platform/linux/http_curl.h"

#include <curl/curl.h>
#include <poll.h>

#include <mutex>
#include <vector>

#include "src/base/assert.h"
#include "src/platform/linux/curl_exchange.h"

namespace forebay::platform {
namespace {

class CurlResponse final : public HttpResponse {
 public:
  explicit CurlResponse(std::unique_ptr<CurlExchange> exchange) : exchange_(std::move(exchange)) {}

  int status() const override { return exchange_->status(); }
  const std::vector<HttpHeader>& headers() const override { return exchange_->headers(); }
  std::string_view Header(std::string_view name) const override {
    for (const HttpHeader& header : headers()) {
      if (SameHeaderName(header.name, name)) return header.value;
    }
    return "";
  }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    return exchange_->Read(into, call);
  }

 private:
  std::unique_ptr<CurlExchange> exchange_;
};

class CurlHttp;

/// One of libcurl's sockets, polled as often and as long as libcurl wants to know.
struct Watch : Op {
  CurlHttp* http = nullptr;
  short wanted = 0;
  bool armed = false;
  bool stale = false;    // what was armed is not what is wanted now
  bool in_curl = false;  // being told about; must not go yet
  bool removed = false;
};

class CurlHttp final : public Http {
 public:
  CurlHttp(Reactor& reactor, HttpLimits limits, KnownAddresses& known)
      : reactor_(reactor), limits_(limits), known_(known) {}
  ~CurlHttp() override;

  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) override;

 private:
  void Open();
  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* me, void* watch);
  static int OnTimer(CURLM* multi, long timeout_ms, void* me);
  static void OnPolled(Op& op);

  void Want(Watch* watch, curl_socket_t fd, int what);
  void Arm(Watch& watch);
  void Remove(Watch& watch);
  void Polled(Watch& watch, int32_t events);
  void Act(curl_socket_t fd, int events);
  void Free(Watch& watch);

  Reactor& reactor_;
  const HttpLimits limits_;
  KnownAddresses& known_;
  CURLM* multi_ = nullptr;
  EasyHandles handles_;
  Timer timer_;
  std::vector<std::unique_ptr<Watch>> watches_;
};

CurlHttp::~CurlHttp() {
  reactor_.timers().Remove(timer_);
  // Closes kept connections. Polls in progress end with the backend, which goes after this and
  // tells nobody any more.
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
}

void CurlHttp::Open() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  multi_ = curl_multi_init();
  FB_ASSERT(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlHttp::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlHttp::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits_.connections);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, limits_.kept_connections);
  timer_.argument = this;
  timer_.fire = [](void* me) { static_cast<CurlHttp*>(me)->Act(CURL_SOCKET_TIMEOUT, 0); };
}

Task<Result<std::unique_ptr<HttpResponse>>> CurlHttp::Send(HttpRequest request, Call call) {
  if (multi_ == nullptr) Open();
  const std::string address = AddressOfPlain(request.url);
  auto exchange = std::make_unique<CurlExchange>(reactor_, multi_, handles_, std::move(request));
  FB_CO_TRY(exchange->Start());
  FB_CO_TRY(co_await exchange->WaitForHead(call));
  if (!address.empty()) known_.Learn(address, exchange->peer());
  co_return std::make_unique<CurlResponse>(std::move(exchange));
}

int CurlHttp::OnTimer(CURLM*, long timeout_ms, void* me) {
  auto& http = *static_cast<CurlHttp*>(me);
  http.reactor_.timers().Remove(http.timer_);
  if (timeout_ms < 0) return 0;
  http.timer_.at = Reactor::Now() + std::chrono::milliseconds(timeout_ms);
  http.reactor_.timers().Add(http.timer_);
  return 0;
}

int CurlHttp::OnSocket(CURL*, curl_socket_t fd, int what, void* me, void* watch) {
  static_cast<CurlHttp*>(me)->Want(static_cast<Watch*>(watch), fd, what);
  return 0;
}

void CurlHttp::Want(Watch* watch, curl_socket_t fd, int what) {
  if (what == CURL_POLL_REMOVE) {
    if (watch != nullptr) Remove(*watch);
    return;
  }
  if (watch == nullptr) {
    watch = watches_.emplace_back(std::make_unique<Watch>()).get();
    watch->http = this;
    watch->fd = fd;
    watch->on_done = &CurlHttp::OnPolled;
    curl_multi_assign(multi_, fd, watch);
  }
  short wanted = 0;
  if ((what & CURL_POLL_IN) != 0) wanted |= POLLIN;
  if ((what & CURL_POLL_OUT) != 0) wanted |= POLLOUT;
  if (wanted == watch->wanted && watch->armed && !watch->stale) return;
  watch->wanted = wanted;
  if (watch->in_curl) return;  // armed anew when libcurl has been told
  if (watch->armed) {
    watch->stale = true;
    reactor_.backend().Cancel(*watch);
  } else {
    Arm(*watch);
  }
}

void CurlHttp::Arm(Watch& watch) {
  watch.stale = false;
  if (watch.wanted == 0) return;  // a broken connection would be told without end
  watch.armed = true;
  watch.code = OpCode::kPoll;
  watch.flags = watch.wanted;
  watch.done = false;
  watch.abandoned = false;
  if (reactor_.backend().Start(watch)) OnPolled(watch);
}

void CurlHttp::Remove(Watch& watch) {
  curl_multi_assign(multi_, watch.fd, nullptr);
  watch.removed = true;
  if (watch.armed) {
    reactor_.backend().Cancel(watch);
  } else if (!watch.in_curl) {
    Free(watch);
  }
}

void CurlHttp::Free(Watch& watch) {
  std::erase_if(watches_, [&watch](const auto& one) { return one.get() == &watch; });
}

void CurlHttp::OnPolled(Op& op) {
  auto& watch = static_cast<Watch&>(op);
  watch.http->Polled(watch, op.result);
}

void CurlHttp::Polled(Watch& watch, int32_t events) {
  watch.armed = false;
  if (watch.removed) {
    if (!watch.in_curl) Free(watch);
    return;
  }
  if (watch.stale) {
    Arm(watch);
    return;
  }
  int action = 0;
  if (events < 0 || (events & (POLLERR | POLLHUP)) != 0) action |= CURL_CSELECT_ERR;
  if (events >= 0 && (events & (POLLIN | POLLHUP)) != 0) action |= CURL_CSELECT_IN;
  if (events >= 0 && (events & POLLOUT) != 0) action |= CURL_CSELECT_OUT;
  watch.in_curl = true;
  Act(watch.fd, action);
  watch.in_curl = false;
  if (watch.removed) {
    if (!watch.armed) Free(watch);
  } else if (!watch.armed) {
    Arm(watch);
  }
}

void CurlHttp::Act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    CurlExchange* exchange = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
    exchange->Finish(code);
  }
}

}  // namespace

std::unique_ptr<Http> MakeCurlHttp(Reactor& reactor, HttpLimits limits, KnownAddresses& known) {
  return std::make_unique<CurlHttp>(reactor, limits, known);
}

}  // namespace forebay::platform
