// The node as a door on any loop has it: what memory answers at once, on the door's own loop; what
// is a task, on the node's loop, from where its result comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/node/node.h"
#include "src/runtime/run_on.h"

namespace forebay {

/// Used from one loop, which may be the node's own: then nothing stands between. The methods are
/// those of Node; tokens that are passed to tasks must be of sources of the node's loop, see There.
class NodeAccess {
 public:
  NodeAccess(Node& node, Executor& its_loop, Executor& here)
      : node_(node), there_(its_loop), here_(here) {}

  bool is_here() const { return &there_ == &here_; }
  /// Runs anything on the node's loop, for whoever has to do with it there.
  template <class T>
  Task<T> There(Task<T> task) {
    return RunOn(there_, here_, std::move(task));
  }

  // -- Any thread, at once.

  auto TryOpen(const Authenticated& who, std::string_view path) { return node_.TryOpen(who, path); }
  auto TryGet(const Authenticated& who, std::string_view path, uint64_t offset, uint32_t size,
              GetResult* got) {
    return node_.TryGet(who, path, offset, size, got);
  }
  void Foresee(std::span<const ComingGet> gets) { node_.Foresee(gets); }
  auto TryRead(const Authenticated& who, Handle& handle, uint64_t offset, uint32_t size) {
    return node_.TryRead(who, handle, offset, size);
  }
  auto TryReadForPeer(const Authenticated& who, const PeerRead& read) {
    return node_.TryReadForPeer(who, read);
  }
  auto Attachments(const Authenticated& who) { return node_.Attachments(who); }
  Store& store() { return node_.store(); }
  Gate& gate() { return node_.gate(); }
  Counters& counters() { return node_.counters(); }

  // -- Tasks of the node.

  auto Stat(Authenticated who, std::string path, Call call, Trace* trace) {
    return There(node_.Stat(std::move(who), std::move(path), call, trace));
  }
  auto List(Authenticated who, std::string path, ListOptions options, Call call, Trace* trace) {
    return There(node_.List(std::move(who), std::move(path), std::move(options), call, trace));
  }
  auto Open(Authenticated who, std::string path, Node::OpenOptions options, Call call,
            Trace* trace) {
    return There(node_.Open(std::move(who), std::move(path), std::move(options), call, trace));
  }
  auto Read(Authenticated who, std::shared_ptr<Handle> handle, uint64_t offset, uint32_t size,
            Call call, Trace* trace) {
    return There(node_.Read(std::move(who), std::move(handle), offset, size, call, trace));
  }
  auto ReadForPeer(Authenticated who, PeerRead read, Call call, Trace* trace) {
    return There(node_.ReadForPeer(std::move(who), read, call, trace));
  }
  auto ResolveForPeer(Authenticated who, AttachmentId attachment, std::string key, bool to_read,
                      std::string asker, Call call, Trace* trace) {
    return There(node_.ResolveForPeer(std::move(who), attachment, std::move(key), to_read,
                                      std::move(asker), call, trace));
  }
  auto ForgetForPeer(Authenticated who, AttachmentId attachment, std::string key, bool pass_on,
                     Call call) {
    return There(node_.ForgetForPeer(std::move(who), attachment, std::move(key), pass_on, call));
  }
  Task<Result<ListPage>> ListForPeer(Authenticated who, AttachmentId attachment,
                                     ListOptions options, Call call) {
    return There(node_.ListForPeer(std::move(who), attachment, std::move(options), call));
  }
  Task<Result<void>> ForgetPagesForPeer(Authenticated who, AttachmentId attachment, std::string key,
                                        size_t folder_bytes, Call call) {
    return There(
        node_.ForgetPagesForPeer(std::move(who), attachment, std::move(key), folder_bytes, call));
  }
  auto FollowedForPeer(Authenticated who, uint64_t epoch, Call call) {
    return There(node_.FollowedForPeer(std::move(who), epoch, call));
  }
  auto Load(Authenticated who, std::string attachment, std::vector<LoadItem> items, Call call) {
    return There(node_.Load(std::move(who), std::move(attachment), std::move(items), call));
  }
  auto HandOver(Authenticated who, uint32_t stripe, uint32_t skip, Call call) {
    return There(node_.HandOver(std::move(who), stripe, skip, call));
  }
  auto LoadForPeer(Authenticated who, AttachmentId attachment, std::vector<PeerLoadItem> items,
                   Call call) {
    return There(node_.LoadForPeer(std::move(who), attachment, std::move(items), call));
  }
  auto OwnersOf(Authenticated who, ResolvedObject object, uint64_t first, Call call) {
    return There(node_.OwnersOf(std::move(who), std::move(object), first, call));
  }
  auto HeldForPeer(Authenticated who, AttachmentId attachment, std::string key, ObjectInfo info,
                   std::vector<uint64_t> chunks, Call call) {
    return There(node_.HeldForPeer(std::move(who), attachment, std::move(key), std::move(info),
                                   std::move(chunks), call));
  }
  auto StatusOfPeers(Authenticated who, std::string after, Call call) {
    return There(node_.StatusOfPeers(std::move(who), std::move(after), call));
  }
  auto Fetch(Authenticated who, std::shared_ptr<Handle> handle, uint64_t offset, uint64_t size,
             Call call, Trace* trace) {
    return There(node_.Fetch(std::move(who), std::move(handle), offset, size, call, trace));
  }
  auto Delete(Authenticated who, std::string path, Condition condition, Call call) {
    return There(node_.Delete(std::move(who), std::move(path), std::move(condition), call));
  }
  auto Attributes(Authenticated who, std::shared_ptr<Handle> handle, Call call) {
    return There(node_.Attributes(std::move(who), std::move(handle), call));
  }
  auto CreateMultipart(Authenticated who, std::string path, Call call,
                       ObjectAttributes attributes = {}) {
    return There(
        node_.CreateMultipart(std::move(who), std::move(path), call, std::move(attributes)));
  }
  auto ListParts(Authenticated who, std::string path, std::string upload_id, Call call) {
    return There(node_.ListParts(std::move(who), std::move(path), std::move(upload_id), call));
  }
  auto ListUploads(Authenticated who, std::string path, Call call) {
    return There(node_.ListUploads(std::move(who), std::move(path), call));
  }
  auto CompleteMultipart(Authenticated who, std::string path, std::string upload_id,
                         std::vector<UploadedPart> parts, Condition condition, Call call) {
    return There(node_.CompleteMultipart(std::move(who), std::move(path), std::move(upload_id),
                                         std::move(parts), std::move(condition), call));
  }
  auto AbortMultipart(Authenticated who, std::string path, std::string upload_id, Call call) {
    return There(node_.AbortMultipart(std::move(who), std::move(path), std::move(upload_id), call));
  }
  auto Attach(Authenticated who, AttachmentConfig config, Call call) {
    return There(node_.Attach(std::move(who), std::move(config), call));
  }
  auto Detach(Authenticated who, std::string name, Call call) {
    return There(node_.Detach(std::move(who), std::move(name), call));
  }
  auto Evict(Authenticated who, std::string path, Call call) {
    return There(node_.Evict(std::move(who), std::move(path), call));
  }
  auto Locate(Authenticated who, std::string path, Call call) {
    return There(node_.Locate(std::move(who), std::move(path), call));
  }

  /// What comes is used from here. Commit or Abort must have been awaited before it goes, because
  /// it ends on the node's loop; NodeAccess must outlive it.
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Authenticated who, std::string path,
                                                  Condition condition, Call call);
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Authenticated who, std::string path,
                                                      std::string upload_id, uint32_t number,
                                                      Call call);

 private:
  Task<Result<std::unique_ptr<OriginUpload>>> Bring(
      Task<Result<std::unique_ptr<OriginUpload>>> upload);

  Node& node_;
  Executor& there_;
  Executor& here_;
};

}  // namespace forebay
