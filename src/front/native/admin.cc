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
  FB_CO_ASSIGN(const std::string json, co_await OwnStatus());
  Answer(slow.header, wire::StatusAnswer{.json = json});
  co_return Result<void>{};
}

Task<Result<void>> Session::Cell(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::CellRequest>());
  FB_CO_TRY(door_.node.gate().CheckAdmin(*who_));
  if (!door_.options.cell) {
    co_return Fail(Code::kUnsupported, "this node stands alone; --cell makes it one of many");
  }
  FB_CO_ASSIGN(
      const std::string text,
      co_await door_.node.There(door_.options.cell(static_cast<wire::CellAction>(request.action))));
  Answer(slow.header, wire::CellAnswer{.text = text});
  co_return Result<void>{};
}

// ---- The window.

Result<void> Session::CheckWindow() const {
  if (is_unix_ && door_.options.window != nullptr) return {};
  return Fail(Code::kUnsupported, "this node shares no memory here: read through the connection");
}

/// A frame of its own, because its descriptors go with its first byte.
Task<Result<void>> Session::SendGrant(const SlowRequest& slow, WindowGrant grant) {
  FB_ASSERT(grant.descriptors.size() <= kMaxDescriptors);
  while ((sending_ || batch_) && !ended_) {
    if (sending_) {
      co_await changed_.Wait();
    } else {
      co_await Flush();
    }
  }
  if (ended_) co_return Result<void>{};
  std::vector<std::byte> frame(wire::kHeaderBytes + grant.grant.size());
  const size_t size = EncodeFrame(frame,
                                  {.request_id = slow.header.request_id,
                                   .type = slow.header.type,
                                   .flags = wire::kIsAnswer,
                                   .queue_depth = door_.queue_depth(),
                                   .descriptors = static_cast<uint8_t>(grant.descriptors.size())},
                                  wire::WindowAnswer{.grant = AsBytes(grant.grant)});
  FB_ASSERT(size == frame.size());
  const Bytes part = frame;
  sending_ = true;
  send_until_ = door_.env.clock.Now() + door_.options.send_timeout;
  const auto sent = grant.descriptors.empty() ? co_await stream_->Send(std::span(&part, 1), {})
                                              : co_await stream_->SendDescriptors(
                                                    std::span(&part, 1), grant.descriptors, {});
  send_until_ = Instant::Never();
  sending_ = false;
  changed_.Tell();
  if (!sent) Shutdown();
  co_return Result<void>{};
}

Task<Result<void>> Session::Window(SlowRequest& slow) {
  FB_CO_TRY(CheckWindow());
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::WindowRequest>());
  uses_window_ = true;
  FB_CO_ASSIGN(WindowGrant grant, co_await door_.options.window->Open(
                                      *who_, number_, request.attachment_id,
                                      std::string(AsText(request.request)), slow.call));
  co_return co_await SendGrant(slow, std::move(grant));
}

Task<Result<void>> Session::WindowSegment(SlowRequest& slow) {
  FB_CO_TRY(CheckWindow());
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::WindowSegmentRequest>());
  uses_window_ = true;
  FB_CO_ASSIGN(WindowGrant grant,
               co_await door_.options.window->Segment(*who_, number_, request.attachment_id,
                                                      request.segment, slow.call));
  co_return co_await SendGrant(slow, std::move(grant));
}

}  // namespace forebay
