// The pages of the HTTP door: /metrics, /status, /healthz, /readyz, and / that names them.
#pragma once

#include "src/front/http/server.h"
#include "src/front/observe/figures.h"

namespace forebay::observe {

class Pages final : public http::HttpService {
 public:
  explicit Pages(Observed observed) : observed_(std::move(observed)) {}
  Task<void> Serve(http::HttpConnection& connection, CancelToken cancel) override;

 private:
  struct Answer {
    http::ResponseHead head;
    std::string body;
  };
  Answer AnswerTo(const http::RequestHead& request) const;

  const Observed observed_;
};

}  // namespace forebay::observe
