#include "src/front/native/testing/scripted_node.h"

#include <algorithm>

#include "src/base/units.h"

namespace forebay {

class Handle {
 public:
  ResolvedObject object;
  std::string path;
};

const ResolvedObject& ObjectOf(const Handle& handle) {
  return handle.object;
}

namespace {

NodeScript* the_script = nullptr;  // of the node that is being opened

/// Never asked.
class NoRegistry final : public Registry {
 public:
  Task<Result<std::optional<RegistryEntry>>> Get(std::string, Call) override { std::abort(); }
  Task<Result<RegistrySnapshot>> List(std::string, Call) override { std::abort(); }
  Task<Result<Revision>> Put(std::string, std::string, Expect, LeaseId, Call) override {
    std::abort();
  }
  Task<Result<Revision>> Delete(std::string, Expect, Call) override { std::abort(); }
  Task<Result<LeaseId>> GrantLease(Duration, Call) override { std::abort(); }
  Task<Result<void>> KeepAlive(LeaseId, Call) override { std::abort(); }
  Task<Result<void>> RevokeLease(LeaseId, Call) override { std::abort(); }
  Task<Result<std::unique_ptr<RegistryWatch>>> Watch(std::string, Revision, Call) override {
    std::abort();
  }
};

}  // namespace

class Node::Impl {
 public:
  Impl(Env& e, Gate& g, NodeScript& s) : env(e), gate(g), script(s) {
    auto made = std::make_shared<Attachment>();
    made->config.id = 7;
    made->config.name = "data";
    made->config.origin = "file:///scripted";
    attachment = std::move(made);
  }

  Result<std::shared_ptr<Handle>> Resolve(const Authenticated& who, std::string_view path) {
    FB_TRY(gate.Check(who, kRead, attachment->guarded()));
    const auto found = script.objects.find(std::string(path));
    if (found == script.objects.end()) {
      return Fail(Code::kNotFound, std::string(path) + ": no such object");
    }
    ++script.opens;
    auto handle = std::make_shared<Handle>();
    handle->path = path;
    handle->object = {
        .attachment = attachment,
        .key = handle->path.substr(6),
        .version = MakeVersionId(7, path, found->second.etag, found->second.bytes.size()),
        .info = {.etag = found->second.etag, .size = found->second.bytes.size(), .modified_ns = 5},
        .fresh_until = Instant::Never()};
    return handle;
  }

  Task<Result<void>> Wait(Call call) {
    auto slept = co_await env.clock.SleepUntil(
        std::min(call.deadline, env.clock.Now() + script.delay), call.cancel);
    if (!slept) ++script.cancelled;
    if (slept && env.clock.Now() >= call.deadline) {
      co_return Fail(Code::kDeadlineExceeded, "scripted: deadline passed");
    }
    co_return slept;
  }

  /// False: not all of it is in memory.
  bool Lookup(Handle& handle, uint64_t offset, uint32_t size, ReadResult* result) {
    const uint64_t end = std::min(offset + size, handle.object.info.size);
    for (uint64_t at = std::min(offset, end); at < end;) {
      const auto block = static_cast<uint32_t>(at / kBlockBytes);
      const uint64_t stop = std::min<uint64_t>(end, (block + uint64_t{1}) * kBlockBytes);
      const auto within = static_cast<uint32_t>(at % kBlockBytes);
      FB_ASSERT(result->count < ReadResult::kMaxPieces);
      ReadResult::Piece& piece = result->pieces[result->count];
      piece.key = BlockKey::Of(handle.object.version, block);
      piece.offset = within;
      piece.view = store->Lookup(piece.key, within, static_cast<uint32_t>(stop - at));
      if (!piece.view) return false;
      ++result->count;
      result->size += stop - at;
      at = stop;
    }
    return true;
  }

  Task<Result<void>> FillAll(std::shared_ptr<Handle> handle) {
    const std::string bytes = script.objects.at(handle->path).bytes;
    for (uint64_t at = 0; at < bytes.size(); at += kBlockBytes) {
      const auto size = static_cast<uint32_t>(std::min<uint64_t>(kBlockBytes, bytes.size() - at));
      const auto key =
          BlockKey::Of(handle->object.version, static_cast<uint32_t>(at / kBlockBytes));
      auto fill = co_await store->BeginFill(env, key, {.attachment = 7, .length = size});
      if (!fill) co_return Fail(fill.error());
      if (fill->Filled(0, size)) continue;
      std::memcpy(fill->buffer().data(), bytes.data() + at, size);
      fill->Commit(0, size);
    }
    co_return Result<void>{};
  }

  Env& env;
  Gate& gate;
  NodeScript& script;
  Counters counters;
  std::shared_ptr<const Attachment> attachment;
  std::unique_ptr<Store> store;
};

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

Task<Result<std::unique_ptr<Node>>> OpenScripted(Env& env, Gate& gate, NodeScript& script) {
  the_script = &script;
  static NoRegistry none;
  co_return co_await Node::Open(env, {}, gate, none, {});
}

Task<Result<std::unique_ptr<Node>>> Node::Open(Env& env, NodeOptions, Gate& gate, Registry&,
                                               OriginFactory, Peers*) {
  auto impl = std::make_unique<Impl>(env, gate, *the_script);
  StoreOptions options;
  options.dram.capacity_bytes = 64 * kMiB;
  options.max_block_bytes = kBlockBytes;
  FB_CO_ASSIGN(impl->store, co_await Store::Open(env, options));
  co_return std::unique_ptr<Node>(new Node(std::move(impl)));
}

Task<void> Node::Close(Duration) {
  return impl_->store->Close();
}

Store& Node::store() {
  return *impl_->store;
}
Gate& Node::gate() {
  return impl_->gate;
}
Counters& Node::counters() {
  return impl_->counters;
}
bool Node::ready() const {
  return true;
}

// ---- Reading.

Task<Result<ResolvedObject>> Node::Stat(Authenticated who, std::string path, Call call, Trace*) {
  FB_CO_TRY(co_await impl_->Wait(call));
  FB_CO_ASSIGN(const auto handle, impl_->Resolve(who, path));
  co_return handle->object;
}

Task<Result<ListPage>> Node::List(Authenticated, std::string path, ListOptions options, Call call,
                                  Trace*) {
  FB_CO_TRY(co_await impl_->Wait(call));
  ListPage page;
  for (const auto& [name, object] : impl_->script.objects) {
    const std::string key = name.substr(6);
    if (!name.starts_with(path) || key <= options.after) continue;
    if (page.entries.size() == options.limit) {
      page.more = true;
      break;
    }
    page.entries.push_back(
        {.key = key, .info = {.etag = object.etag, .size = object.bytes.size()}});
  }
  co_return page;
}

Task<Result<std::shared_ptr<Handle>>> Node::Open(Authenticated who, std::string path,
                                                 OpenOptions options, Call call, Trace*) {
  FB_CO_TRY(co_await impl_->Wait(call));
  FB_CO_ASSIGN(auto handle, impl_->Resolve(who, path));
  if (!options.if_match.empty() && options.if_match != handle->object.info.etag) {
    co_return Fail(Code::kVersionChanged, path + ": changed");
  }
  co_return handle;
}

std::optional<Result<std::shared_ptr<Handle>>> Node::TryOpen(const Authenticated& who,
                                                             std::string_view path) {
  if (impl_->script.always_slow) return std::nullopt;
  return impl_->Resolve(who, path);
}

std::optional<Result<ReadResult>> Node::TryRead(const Authenticated& who, Handle& handle,
                                                uint64_t offset, uint32_t size) {
  if (impl_->script.always_slow) return std::nullopt;
  if (auto allowed = impl_->gate.Check(who, kRead, impl_->attachment->guarded()); !allowed) {
    return Result<ReadResult>(Fail(allowed.error()));
  }
  Result<ReadResult> result{ReadResult{}};
  if (!impl_->Lookup(handle, offset, size, &*result)) return std::nullopt;
  return result;
}

void Node::Foresee(std::span<const ComingGet>) {}

std::optional<Result<void>> Node::TryGet(const Authenticated& who, std::string_view path,
                                         uint64_t offset, uint32_t size, GetResult* got) {
  auto opened = TryOpen(who, path);
  if (!opened) return std::nullopt;
  if (!*opened) return Fail(opened->error());
  auto read = TryRead(who, ***opened, offset, size);
  if (!read) return std::nullopt;
  if (!*read) return Fail(read->error());
  const ResolvedObject& object = ObjectOf(***opened);
  got->attachment = object.attachment->config.id;
  got->object = {.version = object.version,
                 .size = object.info.size,
                 .modified_ns = object.info.modified_ns,
                 .fresh_until_ns = object.fresh_until.ns,
                 .etag = object.info.etag};
  got->bytes = std::move(**read);
  return Result<void>();
}

Task<Result<ReadResult>> Node::Read(Authenticated who, std::shared_ptr<Handle> handle,
                                    uint64_t offset, uint32_t size, Call call, Trace*) {
  FB_CO_TRY(co_await impl_->Wait(call));
  FB_CO_TRY(impl_->gate.Check(who, kRead, impl_->attachment->guarded()));
  FB_CO_TRY(co_await impl_->FillAll(handle));
  ReadResult result;
  if (!impl_->Lookup(*handle, offset, size, &result)) {
    co_return Fail(Code::kOverloaded, "scripted: no room");
  }
  co_return result;
}

Task<Result<PeerGiven>> Node::ReadForPeer(Authenticated, PeerRead, Call, Trace*) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}

std::optional<PeerGiven> Node::TryReadForPeer(const Authenticated&, const PeerRead&) {
  return std::nullopt;
}

Task<Result<KnownName>> Node::ResolveForPeer(Authenticated, AttachmentId, std::string, bool,
                                             std::string, Call, Trace*) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}

Task<Result<void>> Node::ForgetForPeer(Authenticated, AttachmentId, std::string, bool, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}

Task<Result<ListPage>> Node::ListForPeer(Authenticated, AttachmentId, ListOptions, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<void>> Node::ForgetPagesForPeer(Authenticated, AttachmentId, std::string, size_t,
                                            Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<Followed>> Node::FollowedForPeer(Authenticated, uint64_t, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}

Task<Result<LoadReport>> Node::Load(Authenticated, std::string, std::vector<LoadItem>, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<HandedOver>> Node::HandOver(Authenticated, uint32_t, uint32_t, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<std::vector<Result<void>>>> Node::LoadForPeer(Authenticated, AttachmentId,
                                                          std::vector<PeerLoadItem>, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<Owners>> Node::OwnersOf(Authenticated, ResolvedObject, uint64_t, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<std::vector<HeldBytes>>> Node::HeldForPeer(Authenticated, AttachmentId, std::string,
                                                       ObjectInfo, std::vector<uint64_t>, Call) {
  co_return Fail(Code::kUnsupported, "scripted: stands alone");
}
Task<Result<PeerStatusPage>> Node::StatusOfPeers(Authenticated, std::string, Call) {
  co_return PeerStatusPage();
}

Task<Result<uint64_t>> Node::Fetch(Authenticated, std::shared_ptr<Handle> handle, uint64_t offset,
                                   uint64_t size, Call call, Trace*) {
  FB_CO_TRY(co_await impl_->Wait(call));
  FB_CO_TRY(co_await impl_->FillAll(handle));
  co_return std::min(size, handle->object.info.size - offset);
}

// ---- Writing.

namespace {

class ScriptedUpload final : public OriginUpload {
 public:
  ScriptedUpload(NodeScript& script, std::string path, Condition condition)
      : script_(script), path_(std::move(path)), condition_(std::move(condition)) {}
  Task<Result<void>> Write(std::span<const Bytes> parts, Call) override {
    for (const Bytes part : parts) bytes_ += AsText(part);
    co_return Result<void>{};
  }
  Task<Result<ObjectInfo>> Commit(Call) override {
    if (condition_.if_absent && script_.objects.contains(path_)) {
      co_return Fail(Code::kAlreadyExists, path_ + ": exists");
    }
    const std::string etag = "w" + std::to_string(++script_.opens);
    const ObjectInfo info{.etag = etag, .size = bytes_.size(), .modified_ns = 6};
    script_.objects[path_] = {std::move(bytes_), etag};
    co_return info;
  }
  Task<void> Abort() override {
    ++script_.aborted_uploads;
    co_return;
  }

 private:
  NodeScript& script_;
  std::string path_;
  Condition condition_;
  std::string bytes_;
};

}  // namespace

Task<Result<std::unique_ptr<OriginUpload>>> Node::Put(Authenticated, std::string path,
                                                      Condition condition, Call call) {
  FB_CO_TRY(co_await impl_->Wait(call));
  co_return std::make_unique<ScriptedUpload>(impl_->script, std::move(path), std::move(condition));
}

Task<Result<void>> Node::Delete(Authenticated, std::string path, Condition, Call) {
  if (impl_->script.objects.erase(path) == 0) {
    co_return Fail(Code::kNotFound, path + ": no such object");
  }
  co_return Result<void>{};
}

Task<Result<std::string>> Node::CreateMultipart(Authenticated, std::string, Call,
                                                ObjectAttributes) {
  co_return std::string("upload-1");
}

Task<Result<std::unique_ptr<OriginUpload>>> Node::PutPart(Authenticated, std::string path,
                                                          std::string, uint32_t number, Call) {
  co_return std::make_unique<ScriptedUpload>(impl_->script, path + ".part" + std::to_string(number),
                                             Condition{});
}

Task<Result<ObjectInfo>> Node::CompleteMultipart(Authenticated, std::string path, std::string,
                                                 std::vector<UploadedPart> parts, Condition, Call) {
  NodeScript::Object whole{.bytes = {}, .etag = "whole"};
  for (const UploadedPart& part : parts) {
    whole.bytes += impl_->script.objects[path + ".part" + std::to_string(part.number)].bytes;
  }
  const ObjectInfo info{.etag = whole.etag, .size = whole.bytes.size()};
  impl_->script.objects[path] = std::move(whole);
  co_return info;
}

Task<Result<void>> Node::AbortMultipart(Authenticated, std::string, std::string, Call) {
  co_return Result<void>{};
}

// ---- Administration.

Task<Result<void>> Node::Attach(Authenticated who, AttachmentConfig config, Call) {
  FB_CO_TRY(impl_->gate.CheckAdmin(who));
  if (config.name == "data") co_return Fail(Code::kAlreadyExists, "/data: attached already");
  co_return Result<void>{};
}

Task<Result<void>> Node::Detach(Authenticated, std::string name, Call) {
  if (name != "data") co_return Fail(Code::kNotFound, "/" + name + ": not attached");
  co_return Result<void>{};
}

std::vector<std::shared_ptr<const Attachment>> Node::Attachments(const Authenticated&) {
  return {impl_->attachment};
}

Task<Result<uint64_t>> Node::Evict(Authenticated, std::string, Call) {
  co_return uint64_t{1} << 20;
}

Task<Result<Node::Where>> Node::Locate(Authenticated who, std::string path, Call) {
  FB_CO_ASSIGN(const auto handle, impl_->Resolve(who, path));
  co_return Where{.object = handle->object, .memory_bytes = 4096, .disk_bytes = 0};
}

}  // namespace forebay
