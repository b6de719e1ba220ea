// Names and administration; what is longer has a file of its own.
#include "src/client/client.h"

#include <algorithm>

#include "src/client/file.h"
#include "src/client/queue.h"
#include "src/wire/admin_messages.h"

namespace forebay::client {
namespace {

PutInfo InfoOf(const wire::PutAnswer& answer) {
  return {.size = answer.size, .modified_ns = answer.modified_ns, .etag = std::string(answer.etag)};
}

/// "/ATTACHMENT" of "/ATTACHMENT/KEY".
std::string_view AttachmentPart(std::string_view path) {
  return path.substr(0, path.find('/', 1));
}

Result<void> CheckOptions(const ClientOptions& options) {
  if (options.node.empty()) {
    return Fail(Code::kInvalidArgument, "no node is named: \"unix:PATH\" or \"HOST:PORT\"");
  }
  if (options.connections == 0 || options.connections > kMaxConnections) {
    return Fail(Code::kInvalidArgument, "connections: 1 to " + std::to_string(kMaxConnections));
  }
  if (options.timeout <= Duration{}) {
    return Fail(Code::kInvalidArgument, "timeout: more than 0");
  }
  return {};
}

}  // namespace

Client::Impl::~Impl() {
  const uint64_t generation = outside.dialer.Generation();
  queue_of_process.DropOf(generation);
  windows_of_process.DropOf(generation);
  core_of_process.DropOf(generation);
}

Queue& Client::Impl::queue() {
  Core& here = core();
  return queue_of_process.Get(here.generation, [&here] { return std::make_unique<Queue>(here); });
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::Connect(Outside outside, ClientOptions options) {
  FB_TRY(CheckOptions(options));
  std::unique_ptr<Client> client(new Client(std::make_unique<Impl>(outside, std::move(options))));
  Core& core = client->impl_->core();
  FB_TRY(core.Acquire(0, core.Deadline(), false));
  return client;
}

const ClientOptions& Client::options() const {
  return impl_->options;
}

Result<ObjectInfo> Client::Stat(std::string_view path) {
  FB_ASSIGN(const auto answer,
            impl_->core().Ask<wire::StatAnswer>(wire::StatRequest{.path = path}));
  return ObjectInfo::Of(answer.value);
}

Result<ListedPage> Client::List(std::string_view path, std::string_view delimiter,
                                std::string_view after, uint32_t limit) {
  const std::string base(AttachmentPart(path));
  if (after.starts_with(base + "/")) after.remove_prefix(base.size() + 1);
  FB_ASSIGN(
      const auto answer,
      impl_->core().Ask<wire::ListAnswer>(wire::ListRequest{
          .limit = static_cast<uint16_t>(std::clamp<uint32_t>(limit, 1, wire::kMaxListEntries)),
          .path = path,
          .delimiter = delimiter,
          .after = after}));
  ListedPage page{.entries = {}, .more = answer.value.more};
  for (const wire::Entry& entry : answer.value.entries) {
    page.entries.push_back({.path = base + "/" + std::string(entry.key),
                            .etag = std::string(entry.etag),
                            .size = entry.size,
                            .modified_ns = entry.modified_ns,
                            .is_prefix = entry.is_prefix});
  }
  if (page.entries.empty()) page.more = false;  // nothing to go on after
  return page;
}

namespace {

/// What the node's window says that a name stands for.
std::optional<ObjectInfo> FindLocal(Windows* windows, std::string_view path, Instant now) {
  const PathParts parts = PathParts::Of(path);
  if (windows == nullptr || parts.key.empty()) return std::nullopt;
  const WindowPtr window = windows->Find(parts.attachment);
  if (!window) return std::nullopt;
  const auto found = window->reader().FindName(parts.key, now.ns);
  if (!found || !window->Alive()) return std::nullopt;
  return ObjectInfo{.version = found->version,
                    .size = found->size_bytes,
                    .modified_ns = found->modified_ns,
                    .attachment_id = window->attachment(),
                    .block_bytes = static_cast<uint32_t>(window->reader().block_bytes()),
                    .etag = std::string(found->etag())};
}

}  // namespace

Result<std::unique_ptr<File>> Client::Open(std::string_view path, std::string_view if_match) {
  Core& core = impl_->core();
  auto local = FindLocal(impl_->windows(), path, core.Now());
  if (local && (if_match.empty() || if_match == local->etag)) {
    return std::unique_ptr<File>(
        new File(std::make_shared<File::Impl>(*impl_, std::string(path), std::move(*local))));
  }
  const uint32_t slot = core.NextSlot();
  std::shared_ptr<Link> link;
  FB_ASSIGN(const auto answer,
            core.Retry(slot, core.Deadline(), [&](const std::shared_ptr<Link>& on, Instant until) {
              link = on;
              return on->Ask<wire::OpenAnswer>(
                  wire::OpenRequest{.path = path, .if_match = if_match}, until);
            }));
  const wire::Info& info = answer.value.info;
  if (info.block_bytes < kPageBytes || info.block_bytes % kPageBytes != 0) {
    return Fail(Code::kCorrupt, std::string(path) + ": the node names no good size of blocks");
  }
  auto file = std::make_shared<File::Impl>(*impl_, std::string(path), ObjectInfo::Of(info));
  auto& opened = file->opened_of_process.Get(
      core.generation, [&] { return std::make_unique<File::Impl::Opened>(core, slot); });
  file->Keep(opened, link, answer.value.handle);
  return std::unique_ptr<File>(new File(std::move(file)));
}

Result<uint64_t> Client::Prefetch(std::string_view path, uint64_t offset, uint64_t size) {
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::FetchAnswer>(wire::FetchRequest{
                                   .offset = offset, .size = size, .path = path}));
  return answer.value.bytes;
}

Result<void> File::Submit(uint64_t offset, MutableBytes into, void* tag) {
  return impl_->client.queue().Submit(impl_, offset, into, tag);
}

Result<size_t> Client::Collect(std::span<Completion> into, Duration wait) {
  return impl_->queue().Collect(into, wait);
}

Result<int> Client::EventDescriptor() {
  return impl_->queue().EventDescriptor();
}

// ---- Writing in one message.

Result<void> Client::Delete(std::string_view path, const PutCondition& condition) {
  FB_TRY(impl_->core().AskOnce<wire::Empty>(
      wire::DeleteRequest{.condition = condition, .path = path}));
  return {};
}

Result<std::string> Client::MultipartBegin(std::string_view path) {
  FB_ASSIGN(const auto answer, impl_->core().AskOnce<wire::MultipartCreateAnswer>(
                                   wire::MultipartCreateRequest{.path = path}));
  return std::string(answer.value.upload_id);
}

Result<PutInfo> Client::MultipartCommit(std::string_view path, std::string_view upload_id,
                                        std::span<const UploadedPart> parts,
                                        const PutCondition& condition) {
  wire::MultipartCompleteRequest request{
      .condition = condition, .path = path, .upload_id = upload_id, .parts = {}};
  for (const UploadedPart& part : parts) {
    request.parts.push_back({.number = part.number, .size = part.size, .etag = part.etag});
  }
  FB_ASSIGN(const auto answer, impl_->core().AskOnce<wire::PutAnswer>(request));
  return InfoOf(answer.value);
}

Result<void> Client::MultipartAbort(std::string_view path, std::string_view upload_id) {
  FB_TRY(impl_->core().Ask<wire::Empty>(
      wire::MultipartAbortRequest{.path = path, .upload_id = upload_id}));
  return {};
}

// ---- Administration.

Result<void> Client::Ping() {
  FB_TRY(impl_->core().Ask<wire::PingAnswer>(wire::PingRequest{}));
  return {};
}

Result<void> Client::Attach(const AttachmentSettings& settings) {
  FB_TRY(impl_->core().AskOnce<wire::Empty>(
      wire::AttachRequest{.attachment = {.id = 0,
                                         .chunk_bytes = settings.chunk_bytes,
                                         .read_only = settings.read_only,
                                         .name = settings.name,
                                         .origin = settings.origin,
                                         .freshness = settings.freshness,
                                         .allow = settings.allow}}));
  return {};
}

Result<void> Client::Detach(std::string_view name) {
  FB_TRY(impl_->core().AskOnce<wire::Empty>(wire::DetachRequest{.name = name}));
  return {};
}

Result<std::vector<AttachmentSettings>> Client::Attachments() {
  FB_ASSIGN(const auto answer,
            impl_->core().Ask<wire::AttachmentsAnswer>(wire::AttachmentsRequest{}));
  std::vector<AttachmentSettings> all;
  for (const wire::AttachmentFields& fields : answer.value.attachments) {
    all.push_back({.id = fields.id,
                   .chunk_bytes = fields.chunk_bytes,
                   .read_only = fields.read_only,
                   .name = std::string(fields.name),
                   .origin = std::string(fields.origin),
                   .freshness = std::string(fields.freshness),
                   .allow = std::string(fields.allow)});
  }
  return all;
}

Result<uint64_t> Client::Evict(std::string_view path) {
  FB_ASSIGN(const auto answer,
            impl_->core().Ask<wire::EvictAnswer>(wire::EvictRequest{.path = path}));
  return answer.value.bytes;
}

Result<Whereabouts> Client::Where(std::string_view path) {
  FB_ASSIGN(const auto answer,
            impl_->core().Ask<wire::WhereAnswer>(wire::WhereRequest{.path = path}));
  return Whereabouts{.info = ObjectInfo::Of(answer.value.info),
                     .memory_bytes = answer.value.memory_bytes,
                     .disk_bytes = answer.value.disk_bytes};
}

Result<std::string> Client::StatusJson() {
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::StatusAnswer>(wire::StatusRequest{}));
  return std::string(answer.value.json);
}

Result<std::string> Client::CellText(wire::CellAction action) {
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::CellAnswer>(
                                   wire::CellRequest{.action = static_cast<uint8_t>(action)}));
  return std::string(answer.value.text);
}

}  // namespace forebay::client
