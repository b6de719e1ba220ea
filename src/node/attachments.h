// The attachments of a cell as the registry has them, kept in step with it.
//
// In the registry: "attachments/NAME" holds each in TOML; "last_attachment_id" the last id given.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "src/node/context.h"

namespace forebay {

class AttachmentTable {
 public:
  AttachmentTable(NodeContext& context, Registry& registry, OriginFactory origins)
      : context_(context), registry_(registry), origins_(std::move(origins)) {}

  /// Any thread. Null where there is none of that name.
  std::shared_ptr<const Attachment> Find(std::string_view name) const;
  std::shared_ptr<const Attachment> Find(AttachmentId id) const;
  std::vector<std::shared_ptr<const Attachment>> All() const;
  /// The registry was heard of.
  bool known() const { return known_.load(std::memory_order_relaxed); }

  /// Takes up what the registry has now.
  Task<Result<void>> Load(Call call);
  /// Follows the registry until `stop`. While it is away, what is known stays.
  Task<void> Follow(CancelToken stop);

  Task<Result<void>> Attach(AttachmentConfig config, Call call);
  Task<Result<void>> Detach(std::string name, Call call);
  /// Called for each attachment that ends, wherever it was detached.
  using Ended = std::function<void(std::shared_ptr<const Attachment>)>;
  void OnEnd(Ended ended) { ended_ = std::move(ended); }

 private:
  Task<Result<AttachmentId>> NewId(Call call);
  Task<Result<void>> FollowOnce(CancelToken stop);
  Task<void> Apply(RegistryEntry entry);
  Task<void> Sweep(std::shared_ptr<const Attachment> attachment);
  Result<std::shared_ptr<const Attachment>> Make(AttachmentConfig config) const;
  void Put(std::shared_ptr<const Attachment> attachment);
  void Remove(std::string_view name);
  /// Of the same attachment, whatever else became of its name.
  void RemoveId(std::string_view name, AttachmentId id);

  NodeContext& context_;
  Registry& registry_;
  const OriginFactory origins_;
  Ended ended_;
  std::atomic<bool> known_{false};
  Revision revision_ = 0;  // of what is known

  mutable std::shared_mutex mutex_;  // guards what follows
  std::map<std::string, std::shared_ptr<const Attachment>, std::less<>> by_name_;
  std::map<AttachmentId, std::shared_ptr<const Attachment>> by_id_;
};

}  // namespace forebay
