#include "src/front/observe/pages.h"

#include <fmt/format.h>

namespace forebay::observe {
namespace {

constexpr std::string_view kIndex =
    "forebay\n\n"
    "/metrics  figures for Prometheus\n"
    "/status   the same as JSON\n"
    "/healthz  200 while the process lives\n"
    "/readyz   200 while it serves requests, otherwise 503\n";

}  // namespace

Pages::Answer Pages::AnswerTo(const http::RequestHead& request) const {
  const std::string_view path = request.path();
  if (request.method != "GET" && request.method != "HEAD") {
    return {{.status = 405, .headers = {{"Allow", "GET, HEAD"}}},
            fmt::format("{} is not possible here; these pages are for reading\n", request.method)};
  }
  if (path == "/metrics") {
    return {{.content_type = "text/plain; version=0.0.4; charset=utf-8"}, MetricsText(observed_)};
  }
  if (path == "/status") return {{.content_type = "application/json"}, StatusJson(observed_)};
  if (path == "/healthz") return {{}, "ok\n"};
  if (path == "/readyz") {
    if (observed_.ready()) return {{}, "ready\n"};
    return {{.status = 503}, "not ready: starting or stopping\n"};
  }
  if (path == "/") return {{}, std::string(kIndex)};
  return {{.status = 404}, fmt::format("no such page\n\n{}", kIndex)};
}

Task<void> Pages::Serve(http::HttpConnection& connection, CancelToken cancel) {
  Answer answer = AnswerTo(connection.request());
  answer.head.headers.push_back({"Cache-Control", "no-store"});
  answer.head.content_length = answer.body.size();
  const Bytes parts[] = {AsBytes(answer.body)};
  // Whether it arrived is the client's business.
  static_cast<void>(co_await connection.Respond(std::move(answer.head), parts, cancel));
}

}  // namespace forebay::observe
