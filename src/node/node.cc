#include "src/node/node.h"

#include "src/node/node_impl.h"

namespace forebay {

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

namespace {

Result<void> CheckOptions(const NodeOptions& options) {
  if (options.random_fill_bytes < kPageBytes || options.random_fill_bytes % kPageBytes != 0) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the bytes that a read out of order brings in ({}) must be a multiple "
                            "of {}",
                            FormatSize(options.random_fill_bytes), FormatSize(kPageBytes)));
  }
  return {};
}

}  // namespace

Task<Result<std::unique_ptr<Node>>> Node::Open(Env& env, NodeOptions options, Gate& gate,
                                               Registry& registry, OriginFactory origins,
                                               Peers* peers) {
  FB_CO_TRY(CheckOptions(options));
  options.store.max_block_bytes = kBlockBytes;
  std::unique_ptr<Node> node(new Node(
      std::make_unique<Impl>(env, std::move(options), gate, registry, std::move(origins), peers)));
  Impl& impl = *node->impl_;
  FB_CO_ASSIGN(impl.context.store, co_await Store::Open(env, impl.context.options.store));
  // A registry that is away now is followed as soon as it comes back; until then there is nothing
  // to serve, and ready() says so.
  const auto loaded = co_await impl.attachments.Load(WithPatience(impl.context, {}));
  if (!loaded && !WorthARetry(loaded.error()) && loaded.error().code() != Code::kDeadlineExceeded) {
    co_await impl.context.store->Close();
    co_return Fail(loaded.error().Within("registry"));
  }
  impl.context.tasks.Spawn(impl.attachments.Follow(impl.stop_following.token()));
  co_return std::move(node);
}

Task<void> Node::Close(Duration grace) {
  Impl& impl = *impl_;
  Env& env = impl.context.env;
  impl.context.closing = true;
  impl.stop_following.Cancel();
  if (impl.operations > 0) {
    static_cast<void>(co_await impl.idle.Wait(env, 0, {.deadline = env.clock.Now() + grace}));
  }
  impl.context.stop.Cancel();
  while (impl.operations > 0) {
    // In a simulated process that has died there is no waiting, only letting the others unwind.
    if (!co_await impl.idle.Wait(env, 0, {})) co_await Yield(env.executor);
  }
  co_await impl.context.tasks.Join();
  co_await impl.context.store->Close();
}

bool Node::ready() const {
  return impl_->attachments.known() && !impl_->context.closing;
}

Store& Node::store() {
  return *impl_->context.store;
}
Gate& Node::gate() {
  return impl_->context.gate;
}
NameCache& Node::names() {
  return impl_->context.names;
}
void Node::OnDetached(std::function<void(AttachmentId)> gone) {
  impl_->on_detached = std::move(gone);
}
Counters& Node::counters() {
  return impl_->context.counters;
}

Result<std::shared_ptr<const Attachment>> Node::Impl::AdmitTo(const Authenticated& who,
                                                              Rights needed,
                                                              std::string_view name) {
  auto attachment = attachments.Find(name);
  if (attachment == nullptr) {
    return Fail(Code::kNotFound,
                fmt::format("/{} is not attached; see `forebay attachments`", name.substr(0, 63)));
  }
  FB_TRY(context.gate.Check(who, needed, attachment->guarded()));
  return attachment;
}

Result<Node::Impl::Target> Node::Impl::Admit(const Authenticated& who, Rights needed,
                                             std::string_view path) {
  FB_ASSIGN(const auto split, SplitPath(path));
  FB_TRY(CheckKey(split.second));
  FB_ASSIGN(auto attachment, AdmitTo(who, needed, split.first));
  const uint64_t most = attachment->origin->capabilities().max_key_bytes;
  if (split.second.size() > most) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: a key of {} bytes; {} takes at most {}", path, split.second.size(),
                            attachment->origin->url(), most));
  }
  if (needed == kWrite && attachment->config.read_only) {
    return Fail(Code::kPermissionDenied, fmt::format("/{} is attached read-only", split.first));
  }
  return Target{std::move(attachment), std::string(split.second)};
}

Task<Result<Units>> Node::Impl::TakeRequest(const Attachment& attachment, Call call) {
  FB_CO_TRY(co_await context.origin_requests.Take(context.env, 1, call));
  CountRequest(context, attachment);
  co_return Units(context.origin_requests, 1);
}

void Node::Impl::NoteSlow(std::string_view what, const Attachment& attachment, std::string_view key,
                          Instant began, const Call& call, const Trace* trace) {
  const Duration took = context.env.clock.Now() - began;
  if (took < context.options.slow_request) return;
  context.counters.read.slow.Add();
  const auto seconds = [](Duration time) { return std::chrono::duration<double>(time).count(); };
  const Trace none{};
  const Trace& of = trace == nullptr ? none : *trace;
  const std::string id = HexText(call.trace);
  const LogField fields[] = {{"took", seconds(took)},    {"queue", seconds(of.queue)},
                             {"peer", seconds(of.peer)}, {"origin", seconds(of.origin)},
                             {"disk", seconds(of.disk)}, {"trace", id}};
  context.env.log.Warning("node", fmt::format("slow {} of {}", what, PathOf(attachment, key)),
                          fields);
}

}  // namespace forebay
