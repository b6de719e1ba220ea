// Writing, write-through: what the origin acknowledged is what the next read here sees.
#include "src/node/node_impl.h"

namespace forebay {
namespace {

/// Tells the names what became of one write: known where it was done, forgotten where it failed,
/// because then nobody here knows what the origin holds.
class NamedWrite {
 public:
  NamedWrite(Node::Impl& node, const Attachment& attachment, const std::string& key)
      : context_(node.context),
        lookups_(node.lookups),
        listings_(node.listings),
        attachment_(attachment),
        key_(key),
        asked_(context_.env.clock.Now()),
        ticket_(context_.names.BeginWrite(attachment.config.id, key)) {
    listings_.Changed(attachment.config.id, key);
  }
  NamedWrite(const NamedWrite&) = delete;
  NamedWrite& operator=(const NamedWrite&) = delete;
  ~NamedWrite() {
    context_.names.EndWrite(attachment_.config.id, key_, ticket_, known_ ? &*known_ : nullptr);
    listings_.Changed(attachment_.config.id, key_);
  }

  void Wrote(const ObjectInfo& info) {
    known_ = lookups_.Describe(attachment_, key_, info, asked_);
  }
  void Removed() {
    known_ = KnownName{.exists = false,
                       .fresh_until_ns = lookups_.KeepAbsentUntil(attachment_, key_, asked_).ns};
  }

 private:
  NodeContext& context_;
  const Lookups& lookups_;
  Listings& listings_;
  const Attachment& attachment_;
  const std::string& key_;
  const Instant asked_;
  const NameCache::Ticket ticket_;
  std::optional<KnownName> known_;
};

/// False where the write was refused for what it was: then nothing has changed.
template <class T>
bool MayBeNew(const Result<T>& result) {
  if (result) return true;
  switch (result.error().code()) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kVersionChanged:
    case Code::kPermissionDenied:
    case Code::kUnsupported:
      return false;
    default:
      return true;
  }
}

/// What a write comes to, once the whole cell has heard of it.
template <class T>
Task<Result<T>> Told(Node::Impl& node, Node::Impl::Target target, Result<T> written) {
  if (!MayBeNew(written)) co_return written;
  const auto told = co_await node.cell_names.Revoke(target.attachment, target.key);
  if (written && !told) co_return Fail(told.error());
  co_return written;
}

/// Counts an error; one that is the origin's silence says so.
template <class T>
Result<T> CountedFor(NodeContext& context, const Attachment& attachment, Result<T> result) {
  if (result) return result;
  context.counters.write.errors.Add();
  return Fail(AsSilence(result.error(), attachment, context));
}

enum class Commits : uint8_t { kObject, kPart };

/// What a door streams into. Uses the node only while one of its tasks runs.
class NodeUpload final : public OriginUpload {
 public:
  NodeUpload(Node::Impl& node, Node::Impl::Target target, std::unique_ptr<OriginUpload> inner,
             Commits commits)
      : node_(node), target_(std::move(target)), inner_(std::move(inner)), commits_(commits) {}

  Task<Result<void>> Describe(ObjectAttributes attributes, Call call) override {
    Operation operation(node_, call);
    FB_CO_TRY(operation.Check());
    co_return Counted(co_await inner_->Describe(std::move(attributes), Patient(operation.call())));
  }

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    Operation operation(node_, call);
    FB_CO_TRY(operation.Check());
    uint64_t bytes = 0;
    for (const Bytes& part : parts) bytes += part.size();
    FB_CO_TRY(Counted(co_await inner_->Write(parts, Patient(operation.call()))));
    node_.context.counters.write.bytes.Add(bytes);
    co_return Result<void>();
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    Operation operation(node_, call);
    FB_CO_TRY(operation.Check());
    Clock& clock = node_.context.env.clock;
    const Instant began = clock.Now();
    Trace trace;
    auto info = commits_ == Commits::kPart
                    ? Counted(co_await inner_->Commit(Patient(operation.call(), kCommitPatience)))
                    : co_await CommitObject(operation.call(), &trace);
    trace.origin = clock.Now() - began - trace.peer;
    node_.NoteSlow("put", *target_.attachment, target_.key, began, call, &trace);
    co_return info;
  }

  Task<void> Abort() override { return inner_->Abort(); }

 private:
  Task<Result<ObjectInfo>> CommitObject(Call call, Trace* trace) {
    Result<ObjectInfo> info;
    {
      NamedWrite write(node_, *target_.attachment, target_.key);
      info = Counted(co_await inner_->Commit(Patient(call, kCommitPatience)));
      if (info) write.Wrote(*info);
    }
    const Instant wrote = node_.context.env.clock.Now();
    info = co_await Told(node_, target_, std::move(info));
    trace->peer = node_.context.env.clock.Now() - wrote;
    co_return info;
  }
  template <class T>
  Result<T> Counted(Result<T> result) {
    return CountedFor(node_.context, *target_.attachment, std::move(result));
  }
  Call Patient(const Call& call, int times = 1) { return WithPatience(node_.context, call, times); }

  Node::Impl& node_;
  const Node::Impl::Target target_;
  const std::unique_ptr<OriginUpload> inner_;
  const Commits commits_;
};

}  // namespace

Task<Result<std::unique_ptr<OriginUpload>>> Node::Put(Authenticated who, std::string path,
                                                      Condition condition, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(auto target, impl_->Admit(who, kWrite, path));
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  FB_CO_ASSIGN(auto upload, co_await target.attachment->origin->Put(
                                impl_->context.env, target.key, std::move(condition),
                                WithPatience(impl_->context, operation.call())));
  co_return std::make_unique<NodeUpload>(*impl_, std::move(target), std::move(upload),
                                         Commits::kObject);
}

Task<Result<void>> Node::Delete(Authenticated who, std::string path, Condition condition,
                                Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto target, impl_->Admit(who, kWrite, path));
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  Result<void> removed;
  {
    NamedWrite write(*impl_, *target.attachment, target.key);
    removed = co_await target.attachment->origin->Delete(
        impl_->context.env, target.key, std::move(condition),
        WithPatience(impl_->context, operation.call()));
    if (removed) write.Removed();
  }
  removed = co_await Told(*impl_, target, std::move(removed));
  co_return CountedFor(impl_->context, *target.attachment, std::move(removed));
}

Task<Result<std::string>> Node::CreateMultipart(Authenticated who, std::string path, Call call,
                                                ObjectAttributes attributes) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto target, impl_->Admit(who, kWrite, path));
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  co_return CountedFor(impl_->context, *target.attachment,
                       co_await target.attachment->origin->CreateDescribed(
                           impl_->context.env, target.key, std::move(attributes),
                           WithPatience(impl_->context, operation.call())));
}

Task<Result<std::unique_ptr<OriginUpload>>> Node::PutPart(Authenticated who, std::string path,
                                                          std::string upload_id, uint32_t number,
                                                          Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(auto target, impl_->Admit(who, kWrite, path));
  const uint64_t most = target.attachment->origin->capabilities().max_parts;
  if (number == 0 || number > most) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("part {} of {}; parts are numbered 1 to {}", number, path, most));
  }
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  FB_CO_ASSIGN(auto upload, co_await target.attachment->origin->PutPart(
                                impl_->context.env, target.key, std::move(upload_id), number,
                                WithPatience(impl_->context, operation.call())));
  co_return std::make_unique<NodeUpload>(*impl_, std::move(target), std::move(upload),
                                         Commits::kPart);
}

Task<Result<std::vector<UploadedPart>>> Node::ListParts(Authenticated who, std::string path,
                                                        std::string upload_id, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto target, impl_->Admit(who, kWrite, path));
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  co_return CountedFor(impl_->context, *target.attachment,
                       co_await target.attachment->origin->ListParts(
                           impl_->context.env, target.key, std::move(upload_id),
                           WithPatience(impl_->context, operation.call())));
}

Task<Result<std::vector<PendingUpload>>> Node::ListUploads(Authenticated who, std::string path,
                                                           Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto split, SplitPath(path));
  FB_CO_ASSIGN(const auto attachment, impl_->AdmitTo(who, kList, split.first));
  FB_CO_ASSIGN(const Units request, co_await impl_->TakeRequest(*attachment, operation.call()));
  std::string prefix(split.second);
  co_return CountedFor(
      impl_->context, *attachment,
      co_await attachment->origin->ListUploads(impl_->context.env, std::move(prefix),
                                               WithPatience(impl_->context, operation.call())));
}

Task<Result<ObjectInfo>> Node::CompleteMultipart(Authenticated who, std::string path,
                                                 std::string upload_id,
                                                 std::vector<UploadedPart> parts,
                                                 Condition condition, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto target, impl_->Admit(who, kWrite, path));
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  Result<ObjectInfo> info;
  {
    NamedWrite write(*impl_, *target.attachment, target.key);
    info = co_await target.attachment->origin->CompleteMultipart(
        impl_->context.env, target.key, std::move(upload_id), std::move(parts),
        std::move(condition), WithPatience(impl_->context, operation.call(), kCommitPatience));
    if (info) write.Wrote(*info);
  }
  info = co_await Told(*impl_, target, std::move(info));
  co_return CountedFor(impl_->context, *target.attachment, std::move(info));
}

Task<Result<void>> Node::AbortMultipart(Authenticated who, std::string path, std::string upload_id,
                                        Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto target, impl_->Admit(who, kWrite, path));
  impl_->context.counters.write.requests.Add();
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*target.attachment, operation.call()));
  co_return CountedFor(impl_->context, *target.attachment,
                       co_await target.attachment->origin->AbortMultipart(
                           impl_->context.env, target.key, std::move(upload_id),
                           WithPatience(impl_->context, operation.call())));
}

}  // namespace forebay
