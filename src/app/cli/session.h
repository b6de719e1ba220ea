// The C ABI as commands use it: errors are values, and what was opened closes itself.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "include/forebay/forebay.h"
#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/client/client.h"

namespace CLI {
class App;
}

namespace forebay::app {

/// What every command takes that speaks to a node.
struct NodeArguments {
  std::string node;  // empty: FOREBAY_NODE, then the default socket
  std::string token_file;
  double timeout_s = 30;
  bool no_shared_memory = false;
};
/// Adds --node, --token-file, --timeout and --no-shared-memory.
void AddNodeArguments(CLI::App& command, NodeArguments& arguments);

namespace internal {
struct Close {
  void operator()(forebay_client* client) const { forebay_disconnect(client); }
  void operator()(forebay_file* file) const { forebay_close(file); }
  void operator()(forebay_list* list) const { forebay_list_end(list); }
  void operator()(forebay_upload* upload) const { forebay_put_abort(upload); }
};
}  // namespace internal

/// Any thread. An open object, pinned to its version.
class OpenObject {
 public:
  explicit OpenObject(forebay_file* file) : file_(file) {}
  const forebay_info& info() const { return *forebay_file_info(file_.get()); }
  /// Fewer bytes only where the object ends.
  Result<size_t> Read(MutableBytes into, uint64_t offset);
  forebay_file* get() { return file_.get(); }

 private:
  std::unique_ptr<forebay_file, internal::Close> file_;
};

struct Entry {
  std::string path;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  bool is_prefix = false;
};

/// One thread.
class Listing {
 public:
  explicit Listing(forebay_list* list) : list_(list) {}
  /// nullopt: the end.
  Result<std::optional<Entry>> Next();

 private:
  std::unique_ptr<forebay_list, internal::Close> list_;
};

/// One thread. Dropped without Commit, nothing was written.
class Upload {
 public:
  explicit Upload(forebay_upload* upload) : upload_(upload) {}
  Result<void> Write(Bytes bytes);
  Result<forebay_info> Commit();

 private:
  std::unique_ptr<forebay_upload, internal::Close> upload_;
};

/// Any thread.
class Session {
 public:
  static Result<Session> Connect(const NodeArguments& arguments);

  Result<forebay_info> Stat(const std::string& path);
  Result<OpenObject> Open(const std::string& path);
  /// Everything below `prefix`; with `one_level`, names up to the next slash.
  Result<Listing> List(const std::string& prefix, bool one_level);
  Result<Upload> Put(const std::string& path, bool if_absent, const std::string& if_match);
  Result<void> Remove(const std::string& path);
  /// Bytes that are in the cache now; `size` 0 means all.
  Result<uint64_t> Prefetch(const std::string& path, uint64_t offset, uint64_t size);

  /// What the C ABI does not have: administration.
  client::Client& client();

 private:
  explicit Session(forebay_client* client) : client_(client) {}
  std::unique_ptr<forebay_client, internal::Close> client_;
};

}  // namespace forebay::app
