#pragma once
#include "sim/process.h"
namespace forebay::sim {
class HttpWorld {
 public:
  explicit HttpWorld(World&) {}
};
class SimHttp final : public Http {
 public:
  explicit SimHttp(Process&) {}
  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest, Call) override {
    co_return Fail(Code::kUnsupported, "not yet");
  }
};
}  // namespace forebay::sim
