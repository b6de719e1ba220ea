#pragma once
#include "sim/process.h"
namespace forebay::sim {
class SimNet final : public Net {
 public:
  explicit SimNet(Process&) {}
  Task<Result<std::unique_ptr<Stream>>> Connect(std::string, Call) override {
    co_return Fail(Code::kUnsupported, "not yet");
  }
  Result<std::unique_ptr<Listener>> Listen(std::string) override {
    return Fail(Code::kUnsupported, "not yet");
  }
};
}  // namespace forebay::sim
