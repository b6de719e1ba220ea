// Administration and the window.
#include "src/front/native/session.h"
#include "src/front/native/window_host.h"

namespace forebay {

Task<Result<void>> Session::Attach(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::AttachRequest>());
  const wire::AttachmentFields& fields = request.attachment;
  AttachmentConfig config;
  config.name = fields.name;
  config.origin = fields.origin;
  config.read_only = fields.read_only;
  if (fields.chunk_bytes != 0) config.chunk_bytes = fields.chunk_bytes;
  if (!fields.freshness.empty()) {
    FB_CO_ASSIGN(config.freshness, Freshness::Parse(fields.freshness));
  }
  FB_CO_ASSIGN(config.allow, LocalAllow::Parse(fields.allow));
  FB_CO_TRY(co_await door_.node.Attach(*who_, std::move(config), slow.call));
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

Task<Result<void>> Session::Detach(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::DetachRequest>());
  FB_CO_TRY(co_await door_.node.Detach(*who_, std::string(request.name), slow.call));
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

Task<Result<void>> Session::Attachments(SlowRequest& slow) {
  FB_CO_TRY(slow.Decode<wire::AttachmentsRequest>());
  const auto attachments = door_.node.Attachments(*who_);
  std::vector<std::string> texts;  // what the answer's texts point into
  texts.reserve(2 * attachments.size());
  wire::AttachmentsAnswer answer;
  for (const auto& attachment : attachments) {
    const AttachmentConfig& config = attachment->config;
    const std::string& freshness = texts.emplace_back(config.freshness.ToString());
    const std::string& allow = texts.emplace_back(config.allow.ToString());
    answer.attachments.push_back({.id = config.id,
                                  .chunk_bytes = config.chunk_bytes,
                                  .read_only = config.read_only,
                                  .name = config.name,
                                  .origin = config.origin,
                                  .freshness = freshness,
                                  .allow = allow});
  }
  Answer(slow.header, answer);
  co_return Result<void>{};
}

Task<Result<void>> Session::Evict(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::EvictRequest>());
  FB_CO_ASSIGN(const uint64_t bytes,
               co_await door_.node.Evict(*who_, std::string(request.path), slow.call));
  Answer(slow.header, wire::EvictAnswer{.bytes = bytes});
  co_return Result<void>{};
}

Task<Result<void>> Session::Where(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::WhereRequest>());
  FB_CO_ASSIGN(const Node::Where where,
               co_await door_.node.Locate(*who_, std::string(request.path), slow.call));
  Answer(slow.header, wire::WhereAnswer{.info = InfoOf(where.object),
                                        .memory_bytes = where.memory_bytes,
                                        .disk_bytes = where.disk_bytes});
  co_return Result<void>{};
}

Task<Result<void>> Session::Status(SlowRequest& slow) {
  FB_CO_TRY(slow.Decode<wire::StatusRequest>());
  FB_CO_TRY(door_.node.gate().CheckAdmin(*who_));
  if (!door_.options.status_json) {
    co_return Fail(Code::kUnsupported, "this node tells its status elsewhere");
  }
  const std::string json = door_.options.status_json();
  Answer(slow.header, wire::StatusAnswer{.json = json});
  co_return Result<void>{};
}

/// Grants are not sent yet: a Stream has no way to pass descriptors (docs/STATUS.md).
Task<Result<void>> Session::Window(SlowRequest&) {
  co_return Fail(Code::kUnsupported, "this node shares no memory: read through the connection");
}

Task<Result<void>> Session::WindowSegment(SlowRequest&) {
  co_return Fail(Code::kUnsupported, "this node shares no memory: read through the connection");
}

}  // namespace forebay
