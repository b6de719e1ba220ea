// Administration of a node: what the C ABI does not have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/app/cli/session.h"
#include "src/base/result.h"

namespace forebay::app {

/// Settings as people write them; the node checks them.
struct AttachmentText {
  std::string name;
  std::string origin;
  std::string freshness;  // empty: the node's default
  std::string allow;      // empty: everyone on this machine
  uint64_t chunk_bytes = 0;
  bool read_only = false;
};

struct Whereabouts {
  uint64_t size = 0;
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;
  std::string etag;
};

/// One thread.
class Admin {
 public:
  static Result<Admin> Connect(const NodeArguments& arguments);
  Admin(Admin&&) noexcept;
  Admin& operator=(Admin&&) = delete;
  ~Admin();

  Result<void> Attach(const AttachmentText& attachment);
  Result<void> Detach(const std::string& name);
  Result<std::vector<AttachmentText>> Attachments();
  /// The bytes that were forgotten.
  Result<uint64_t> Evict(const std::string& path);
  Result<Whereabouts> Where(const std::string& path);
  Result<std::string> StatusJson();

 private:
  struct Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::app
