#include "src/runtime/spread_http.h"

#include <algorithm>
#include <utility>

#include "src/base/assert.h"
#include "src/runtime/cancel_across.h"

namespace forebay {
namespace {

/// A read goes on over there until it has so much, if it is asked for so much: a way to another
/// loop and back costs some 10 us.
constexpr size_t kWorthTheWay = 256u << 10;

/// What an exchange here counts for: this loop has also to do all else for what comes.
constexpr size_t kHomeWeight = 4;

/// Where it came from.
Task<void> Destroy(std::unique_ptr<HttpResponse> response) {
  response.reset();
  co_return;
}

/// As a coroutine, so that it begins over there.
Task<Result<std::unique_ptr<HttpResponse>>> SendFrom(Http& http, HttpRequest request, Call call) {
  co_return co_await http.Send(std::move(request), call);
}

/// Up to the first error or end, which the next read meets again.
Task<Result<size_t>> ReadFrom(HttpResponse& response, MutableBytes into, size_t enough, Call call) {
  size_t filled = 0;
  do {
    const auto came = co_await response.Read(into.subspan(filled), call);
    if (!came && filled == 0) co_return Fail(came.error());
    if (!came || *came == 0) break;
    filled += *came;
  } while (filled < enough);
  co_return filled;
}

}  // namespace

class SpreadHttp::Response final : public HttpResponse {
 public:
  Response(SpreadHttp& owner, Line& line, std::unique_ptr<HttpResponse> response)
      : owner_(owner), line_(line), response_(std::move(response)) {}
  ~Response() override {
    --line_.exchanges;
    owner_.group_.Spawn(owner_.There(line_, Destroy(std::move(response_))));
  }

  // A head does not change once it has come.
  int status() const override { return response_->status(); }
  std::string_view Header(std::string_view name) const override { return response_->Header(name); }
  const std::vector<HttpHeader>& headers() const override { return response_->headers(); }

  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    // The first bytes at once: somebody waits for them.
    const size_t enough = std::exchange(begun_, true) ? std::min(into.size(), kWorthTheWay) : 1;
    return owner_.ReadThere(line_, *response_, into, enough, call);
  }

 private:
  SpreadHttp& owner_;
  Line& line_;
  std::unique_ptr<HttpResponse> response_;
  bool begun_ = false;
};

SpreadHttp::SpreadHttp(Env& here, const std::vector<Env*>& loops)
    : here_(here), group_(here.executor) {
  FB_ASSERT(!loops.empty());
  for (Env* env : loops) lines_.push_back({.env = env});
}

SpreadHttp::~SpreadHttp() {
  for (const Line& line : lines_) FB_ASSERT(line.exchanges == 0);
}

Task<void> SpreadHttp::Close() {
  co_await group_.Join();
}

SpreadHttp::Line& SpreadHttp::Idlest() {
  return *std::ranges::min_element(lines_, {}, [this](const Line& line) {
    return line.env == &here_ ? line.exchanges * kHomeWeight + kHomeWeight - 1 : line.exchanges;
  });
}

Task<Result<std::unique_ptr<HttpResponse>>> SpreadHttp::Send(HttpRequest request, Call call) {
  if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, "given up");
  Line& line = Idlest();
  ++line.exchanges;
  CancelAcross cancel(line.env->executor, here_.executor, call.cancel);
  auto response = co_await There(
      line, SendFrom(line.env->http, std::move(request), {call.deadline, cancel.token()}));
  co_await cancel.Join();
  if (!response) {
    --line.exchanges;
    co_return Fail(response.error());
  }
  co_return std::make_unique<Response>(*this, line, *std::move(response));
}

Task<Result<size_t>> SpreadHttp::ReadThere(Line& line, HttpResponse& response, MutableBytes into,
                                           size_t enough, Call call) {
  if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, "given up");
  CancelAcross cancel(line.env->executor, here_.executor, call.cancel);
  auto filled =
      co_await There(line, ReadFrom(response, into, enough, {call.deadline, cancel.token()}));
  co_await cancel.Join();
  co_return filled;
}

}  // namespace forebay
