#include "sim/sim_http.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/node.h"
#include "sim/sim_http_stream.h"
#include "sim/sim_network.h"
#include "sim/world.h"
#include "src/base/hash.h"

namespace forebay::sim {
namespace {

constexpr uint64_t kMaxChunk = 256 * kKiB;
constexpr uint64_t kDripBytes = 64;
constexpr Duration kDripTime = milliseconds(50);

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// As the platform names it in errors: a query may be a signature.
std::string WithoutQuery(std::string_view url) {
  return std::string(url.substr(0, url.find('?')));
}

double RateOf(const HttpFaults& faults, HttpFault fault) {
  switch (fault) {
    case HttpFault::kConnectFailure:
      return faults.connect_failure;
    case HttpFault::kError500:
      return faults.error_500;
    case HttpFault::kError503:
      return faults.error_503;
    case HttpFault::kStall:
      return faults.stall;
    case HttpFault::kResetInBody:
      return faults.reset_in_body;
    case HttpFault::kShortBody:
      return faults.short_body;
    case HttpFault::kOtherEtag:
      return faults.other_etag;
    case HttpFault::kSlowDrip:
      return faults.slow_drip;
    case HttpFault::kLostReply:
      return faults.lost_reply;
  }
  return 0;
}

/// How the body of one response comes.
struct BodyPlan {
  uint64_t bytes_per_second = 0;
  std::optional<uint64_t> reset_at;
  std::optional<uint64_t> stall_at;
  Duration stall_time{0};
  bool drips = false;
};

class SimHttpResponse final : public HttpResponse {
 public:
  SimHttpResponse(Process& process, SimHttpReply reply, BodyPlan plan)
      : process_(process), reply_(std::move(reply)), plan_(plan) {}

  int status() const override { return reply_.status; }
  std::string_view Header(std::string_view name) const override {
    return FindHeader(reply_.headers, name);
  }
  const std::vector<HttpHeader>& headers() const override { return reply_.headers; }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;

 private:
  Process& process_;
  const SimHttpReply reply_;
  BodyPlan plan_;
  uint64_t at_ = 0;
};

Task<Result<size_t>> SimHttpResponse::Read(MutableBytes into, Call call) {
  FB_CO_TRY(process_.CheckAlive());
  World& world = process_.world();
  if (plan_.stall_at && at_ >= *plan_.stall_at) {
    plan_.stall_at.reset();
    FB_CO_TRY(co_await process_.Until(world.Now() + plan_.stall_time, "http body", call));
  }
  const uint64_t end = plan_.reset_at.value_or(reply_.body.size());
  if (at_ >= end) {
    if (plan_.reset_at) co_return Fail(Code::kUnavailable, "http: connection broke in the body");
    co_return 0;
  }
  uint64_t size = std::min<uint64_t>({into.size(), end - at_, kMaxChunk});
  if (plan_.drips) size = std::min(size, kDripBytes);
  Prng& prng = world.http().prng();
  if (size > 1 && prng.OneIn(4)) size = 1 + prng.Below(size - 1);
  const Duration takes =
      plan_.drips ? kDripTime
                  : Duration(static_cast<int64_t>(size * 1'000'000'000 / plan_.bytes_per_second));
  FB_CO_TRY(co_await process_.Until(world.Now() + takes, "http body", call));
  reply_.body.CopyTo(at_, into.first(size));
  at_ += size;
  process_.Note(Happening::kHttp, size);
  co_return size;
}

SimHttpReply ErrorReply(int status, std::optional<int> retry_after) {
  SimHttpReply reply{.status = status, .body = SimBody("the server is unwell\n")};
  if (retry_after) reply.headers.push_back({"Retry-After", std::to_string(*retry_after)});
  return reply;
}

}  // namespace

void TagBytes(uint64_t tag, uint64_t offset, MutableBytes into) {
  const uint64_t spread = Mix64(tag);
  while (!into.empty()) {
    const uint64_t word = Mix64(spread + offset / 8);
    const uint64_t within = offset % 8;
    const auto step = std::min<uint64_t>(8 - within, into.size());
    std::memcpy(into.data(), reinterpret_cast<const std::byte*>(&word) + within, step);
    offset += step;
    into = into.subspan(step);
  }
}

SimBody SimBody::Tagged(uint64_t tag, uint64_t offset, uint64_t size) {
  SimBody body;
  body.tag_ = tag;
  body.offset_ = offset;
  body.size_ = size;
  return body;
}

void SimBody::CopyTo(uint64_t from, MutableBytes into) const {
  FB_ASSERT(from + into.size() <= size_);
  if (tag_) return TagBytes(*tag_, offset_ + from, into);
  if (!into.empty()) std::memcpy(into.data(), bytes_.data() + from, into.size());
}

std::string_view FindHeader(const std::vector<HttpHeader>& headers, std::string_view name) {
  for (const HttpHeader& header : headers) {
    const bool same = std::equal(header.name.begin(), header.name.end(), name.begin(), name.end(),
                                 [](char a, char b) { return Lower(a) == Lower(b); });
    if (same) return header.value;
  }
  return {};
}

HttpWorld::HttpWorld(World& world) : world_(world), prng_(world.SeedFor("http", 0)) {
  static constexpr std::string_view kNames[kHttpFaultKinds] = {
      "http.connect_failure", "http.error_500",  "http.error_503", "http.stall",     "http.reset",
      "http.short_body",      "http.other_etag", "http.slow_drip", "http.lost_reply"};
  for (size_t i = 0; i < kHttpFaultKinds; ++i) counts_[i] = &world.faults().Of(kNames[i]);
}

HttpServer& HttpWorld::Add(std::string base, HttpHandler handler) {
  while (base.ends_with('/')) base.pop_back();
  auto& server = servers_[base];
  FB_ASSERT(server == nullptr);
  server = std::make_unique<HttpServer>(std::move(handler), world_.options().http);
  return *server;
}

HttpServer* HttpWorld::Find(std::string_view url, std::string_view* path) {
  HttpServer* best = nullptr;
  for (const auto& [base, server] : servers_) {  // a longer base sorts after its own beginning
    if (!url.starts_with(base)) continue;
    const std::string_view rest = url.substr(base.size());
    if (!rest.empty() && rest[0] != '/' && rest[0] != '?') continue;
    best = server.get();
    *path = rest;
  }
  return best;
}

bool HttpWorld::Fires(HttpServer& server, HttpFault fault) {
  const auto index = static_cast<size_t>(fault);
  if (server.wanted_[index] == 0) {
    return counts_[index]->Chance(prng_, RateOf(server.options_.faults, fault));
  }
  --server.wanted_[index];
  counts_[index]->Fire();
  return true;
}

struct SimHttp::Exchange {
  HttpServer& server;
  SimHttpRequest request;
};

bool SimHttp::CutOff(const HttpServer* server) const {
  const Network& net = process_.world().net();
  const Node& here = process_.node();
  if (server == nullptr || server->host_ == nullptr) return net.Isolated(here);
  return net.Blocked(here, *server->host_) || net.Blocked(*server->host_, here);
}

Task<Result<std::unique_ptr<HttpResponse>>> SimHttp::NoAnswer(std::string url, Call call) {
  World& world = process_.world();
  FB_CO_TRY(co_await process_.Until(world.Now() + world.options().net.give_up, "http", call));
  co_return Fail(Code::kUnavailable, WithoutQuery(url) + ": no answer");
}

Task<Result<std::unique_ptr<HttpResponse>>> SimHttp::Send(HttpRequest request, Call call) {
  FB_CO_TRY(process_.CheckAlive());
  World& world = process_.world();
  HttpWorld& http = world.http();
  const std::string& url = request.url;
  const size_t scheme = url.find("://");
  if ((!url.starts_with("http://") && !url.starts_with("https://")) || url.size() <= scheme + 3) {
    co_return Fail(Code::kInvalidArgument, "'" + url + "' is not an HTTP URL");
  }
  std::string_view path;
  HttpServer* server = http.Find(url, &path);
  if (CutOff(server)) {
    // A kept connection takes it all the same.
    if (server != nullptr && server->host_ != nullptr && http.prng().OneIn(2)) {
      if (request.left != nullptr) *request.left = true;
      co_return co_await NoAnswer(url, call);
    }
    FB_CO_TRY(
        co_await process_.Until(world.Now() + world.options().net.connect_timeout, "http", call));
    co_return Fail(Code::kUnavailable, WithoutQuery(url) + ": connecting timed out");
  }
  const bool dead = server != nullptr && server->host_ != nullptr && server->host_->crashed();
  if (server == nullptr || server->down_ || dead ||
      http.Fires(*server, HttpFault::kConnectFailure)) {
    FB_CO_TRY(co_await process_.Until(world.Now() + milliseconds(1), "http", call));
    co_return Fail(Code::kUnavailable, WithoutQuery(url) + ": cannot connect");
  }
  // The body goes out somewhere on the first half of the way.
  const auto half = static_cast<uint64_t>(server->options_.latency.count()) / 2 + 1;
  const Instant asked = world.Now() + Duration(static_cast<int64_t>(half));
  const Instant sent = world.Now() + Duration(static_cast<int64_t>(http.prng().Below(half)));
  FB_CO_TRY(co_await process_.Until(sent, "http", call));
  Exchange exchange{*server,
                    {.method = request.method,
                     .url = url,
                     .path = std::string(path),
                     .headers = request.headers}};
  if (request.left != nullptr) *request.left = true;
  for (const Bytes part : request.body) exchange.request.body += AsText(part);
  process_.Note(Happening::kHttp,
                HashBytes(AsBytes(exchange.request.body), HashBytes(AsBytes(url), 0).lo).lo);
  FB_CO_TRY(co_await process_.Until(asked, "http", call));
  co_return co_await Answer(std::move(exchange), call);
}

SimHttpReply HttpWorld::Reply(HttpServer& server, const SimHttpRequest& request) {
  if (Fires(server, HttpFault::kError500)) return ErrorReply(500, std::nullopt);
  if (Fires(server, HttpFault::kError503)) {
    const bool says_when = prng_.Unit() < server.options_.faults.retry_after;
    return ErrorReply(503, says_when ? std::optional<int>(1 + prng_.Below(3)) : std::nullopt);
  }
  ++server.handled_;
  SimHttpReply reply = server.handler_(request);
  if (reply.stream != nullptr) return reply;
  const uint64_t size = reply.body.size();
  if (size > 0 && Fires(server, HttpFault::kShortBody)) reply.body.Truncate(prng_.Below(size));
  if (FindHeader(reply.headers, "Content-Length").empty()) {
    reply.headers.push_back({"Content-Length", std::to_string(reply.body.size())});
  }
  if (request.method == "HEAD") reply.body = SimBody();
  for (HttpHeader& header : reply.headers) {
    const bool etag = !FindHeader({header}, "ETag").empty();
    if (etag && Fires(server, HttpFault::kOtherEtag)) header.value = "\"another version\"";
  }
  return reply;
}

Task<Result<std::unique_ptr<HttpResponse>>> SimHttp::Answer(Exchange exchange, Call call) {
  World& world = process_.world();
  HttpWorld& http = world.http();
  HttpServer& server = exchange.server;
  const HttpOptions options = server.options_;
  Prng& prng = http.prng();
  const bool stalls = http.Fires(server, HttpFault::kStall);
  if (stalls && prng.OneIn(2)) {
    FB_CO_TRY(co_await process_.Until(world.Now() + options.faults.stall_time, "http", call));
    co_return Fail(Code::kUnavailable, WithoutQuery(exchange.request.url) + ": no answer");
  }
  const auto broke = [&] {
    return Fail(Code::kUnavailable, WithoutQuery(exchange.request.url) + ": the connection broke");
  };
  if (server.host_ != nullptr && server.host_->crashed()) co_return broke();
  SimHttpReply reply = http.Reply(server, exchange.request);
  // The way back may be another than the way there.
  if (server.host_ != nullptr && CutOff(&server)) {
    co_return co_await NoAnswer(exchange.request.url, call);
  }
  const auto half = static_cast<uint64_t>(options.latency.count()) / 2;
  const Duration back(static_cast<int64_t>(half + prng.Below(half + 1)));
  FB_CO_TRY(co_await process_.Until(world.Now() + back, "http", call));
  const bool died = server.host_ != nullptr && server.host_->crashed();
  if (died || http.Fires(server, HttpFault::kLostReply)) co_return broke();
  if (reply.stream != nullptr) {
    reply.stream->server_ = &server;
    co_return std::make_unique<SimHttpStreamResponse>(process_, std::move(reply));
  }
  BodyPlan plan{.bytes_per_second = options.bytes_per_second,
                .stall_time = options.faults.stall_time};
  const uint64_t size = reply.body.size();
  if (size > 0 && http.Fires(server, HttpFault::kResetInBody)) plan.reset_at = prng.Below(size);
  if (stalls) plan.stall_at = prng.Below(size + 1);
  plan.drips = http.Fires(server, HttpFault::kSlowDrip);
  process_.Note(Happening::kHttp, static_cast<uint64_t>(reply.status));
  co_return std::make_unique<SimHttpResponse>(process_, std::move(reply), plan);
}

}  // namespace forebay::sim
