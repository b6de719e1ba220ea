// What the rows of the node share: the real program, started with a data directory, a socket and an
// origin of its own, and the directories of objects that it and its peers read.
#pragma once

#include <forebay/forebay.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/store_fixture.h"
#include "src/base/result.h"

namespace forebay::bench {

/// `forebay node` as a child, with "/data" attached to an origin, stopped at the end.
class RunningNode {
 public:
  struct Options {
    std::string origin;  // a directory, or the URL of another origin
    std::string dram = "1GiB";
    std::string disk = "0";
    bool pinned = false;  // to kServerCore, which leaves it one loop
    int loops = 0;        // 0: as many as it takes by itself
    std::string s3 = "none";
    std::string s3_keys = {};
    std::string s3_tls = {};                                          // FILE: FILE.pem and FILE.key
    std::vector<std::pair<std::string, std::string>> variables = {};  // of its environment
  };
  /// `directory` is for the node's own files and must outlive it.
  static Result<std::unique_ptr<RunningNode>> Start(const std::string& directory, Options options);
  ~RunningNode();
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;

  int pid() const { return pid_; }
  /// What all of its threads have used of the machine's cores so far, in seconds.
  Result<double> CpuSeconds() const;
  const std::string& local() const { return local_; }  // "unix:PATH"
  const std::string& tcp() const { return tcp_; }
  const std::string& s3() const { return s3_; }
  /// A figure of `forebay status --json`, by its section and name.
  Result<uint64_t> Status(const std::string& section, const std::string& name) const;
  /// What the program printed for a client's command.
  Result<std::string> Command(const std::string& arguments) const;

 private:
  RunningNode(int pid, std::string local) : pid_(pid), local_(std::move(local)) {}
  Result<void> AwaitReady(int output);

  int pid_;
  std::string local_;
  std::string tcp_;
  std::string s3_;
};

/// What a child has used of the machine's cores so far, in seconds.
Result<double> CpuSecondsOf(int pid);
/// Its resident memory, in bytes.
Result<uint64_t> RssOf(int pid);

/// The C library, as any program would use it.
class CClient {
 public:
  static Result<std::unique_ptr<CClient>> Connect(const std::string& node,
                                                  bool shared_memory = true);
  ~CClient() { forebay_disconnect(client_); }
  CClient(const CClient&) = delete;
  CClient& operator=(const CClient&) = delete;
  forebay_client* get() const { return client_; }

 private:
  explicit CClient(forebay_client* client) : client_(client) {}
  forebay_client* client_;
};

/// An open file of it.
class CFile {
 public:
  static Result<CFile> Open(const CClient& client, const std::string& path);
  CFile(CFile&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
  CFile& operator=(CFile&&) = delete;
  ~CFile() {
    if (file_ != nullptr) forebay_close(file_);
  }
  forebay_file* get() const { return file_; }
  uint64_t size() const { return forebay_file_info(file_)->size; }

 private:
  explicit CFile(forebay_file* file) : file_(file) {}
  forebay_file* file_;
};

/// What the library said of a call that failed.
Error LastError(int64_t status);

/// Writes a file whose bytes differ everywhere.
Result<void> WriteFile(const std::string& path, uint64_t size);
/// Its pages leave the page cache.
Result<void> ForgetPages(const std::string& path);

}  // namespace forebay::bench
