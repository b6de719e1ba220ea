// Net for simulated nodes.
#pragma once

#include "src/runtime/net.h"

#include "sim/process.h"

namespace forebay::sim {

/// Hosts are the names of nodes ("nodeA:7400"), or localhost; a unix: address is the node's own.
class SimNet final : public Net {
 public:
  explicit SimNet(Process& process) : process_(process) {}
  Task<Result<std::unique_ptr<Stream>>> Connect(std::string address, Call call) override;
  Result<std::unique_ptr<Listener>> Listen(std::string address) override;

 private:
  struct Target {
    std::string host;  // empty: this node
    std::string port;
  };
  static Result<Target> Parse(std::string_view address);
  Task<Result<std::unique_ptr<Stream>>> TryConnect(Node& to, std::string port, Call call);

  Process& process_;
};

}  // namespace forebay::sim
