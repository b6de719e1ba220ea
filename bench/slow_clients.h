// Clients that take a server's connections and little else: some say nothing, some read a KB/s,
// some send their request's head byte by byte.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/base/result.h"

namespace forebay::bench {

class SlowClients {
 public:
  struct Options {
    int idle = 2000;
    int readers = 100;  // of `path`, which should be long
    int senders = 100;  // of requests that they never end
    std::string path;
  };
  /// All are connected when it returns, and stay so, from kClientCore, until this object goes.
  static Result<std::unique_ptr<SlowClients>> Start(const std::string& address, Options options);
  ~SlowClients();
  SlowClients(const SlowClients&) = delete;
  SlowClients& operator=(const SlowClients&) = delete;

 private:
  SlowClients() = default;
  Result<int> Connect(const std::string& address);
  void Crawl(const std::stop_token& stop);

  std::vector<int> all_, readers_, senders_;
  std::jthread thread_;
};

}  // namespace forebay::bench
