// An nginx of the rows' own, in front of a directory.
#pragma once

#include <memory>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

/// One process, until it goes.
class Nginx {
 public:
  struct Options {
    std::string root;       // what it serves
    std::string directory;  // for its own files
    bool sendfile = true;
    bool pinned = true;    // to kServerCore
    std::string tls = {};  // FILE: by TLS, with FILE.pem and FILE.key
  };
  /// kNotFound where it is not installed.
  static Result<std::unique_ptr<Nginx>> Start(const Options& options);
  ~Nginx();
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  const std::string& address() const { return address_; }
  int pid() const { return pid_; }
  bool sendfile() const { return sendfile_; }

 private:
  Nginx(int pid, std::string address, bool sendfile)
      : pid_(pid), address_(std::move(address)), sendfile_(sendfile) {}

  int pid_;
  std::string address_;
  bool sendfile_;
};

}  // namespace forebay::bench
