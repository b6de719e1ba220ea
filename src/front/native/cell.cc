// What is asked of the whole cell, and what its nodes ask one another for that.
#include "src/front/native/session.h"
#include "src/wire/cell_messages.h"

namespace forebay {
namespace {

std::string_view Shortened(const std::string& message) {
  return std::string_view(message).substr(0, wire::kMaxLoadErrorBytes);
}

wire::HeldBytes OnWire(const HeldBytes& held) {
  return {.memory_bytes = held.memory, .disk_bytes = held.disk};
}

/// It looks at parts that belong to the node's loop.
Task<std::string> AskStatus(const std::function<std::string()>* status_json) {
  co_return (*status_json)();
}

}  // namespace

Task<Result<void>> Session::PerformByCell(SlowRequest& slow) {
  switch (slow.header.type) {
    case wire::MessageType::kLoad:
      return Load(slow);
    case wire::MessageType::kOwners:
      return Owners(slow);
    case wire::MessageType::kCellStatus:
      return CellStatus(slow);
    case wire::MessageType::kHandOver:
      return HandOver(slow);
    case wire::MessageType::kPeerList:
      return PeerList(slow);
    case wire::MessageType::kPeerForgetPages:
      return PeerForgetPages(slow);
    case wire::MessageType::kPeerFollows:
      return PeerFollows(slow);
    case wire::MessageType::kPeerLoad:
      return PeerLoad(slow);
    case wire::MessageType::kPeerHeld:
      return PeerHeld(slow);
    case wire::MessageType::kPeerStatus:
      return PeerStatus(slow);
    default:
      FB_ASSERT(false);
  }
}

Task<Result<void>> Session::HandOver(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::HandOverRequest>());
  FB_CO_ASSIGN(const HandedOver handed,
               co_await door_.node.HandOver(*who_, request.stripe, request.skip, slow.call));
  Answer(slow.header, wire::HandOverAnswer{.stripes = handed.stripes,
                                           .parts = handed.parts,
                                           .failed = handed.failed,
                                           .bytes = handed.bytes,
                                           .more = handed.more});
  co_return Result<void>{};
}

// -- Listings

Task<Result<void>> Session::PeerList(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerListRequest>());
  ListOptions options{.prefix = std::string(request.prefix),
                      .delimiter = std::string(request.delimiter),
                      .after = std::string(request.after),
                      .limit = std::clamp<uint32_t>(request.limit, 1, wire::kMaxListEntries)};
  FB_CO_ASSIGN(const ListPage page, co_await door_.node.ListForPeer(*who_, request.attachment_id,
                                                                    std::move(options), slow.call));
  Answer(slow.header, PageOnWire(page));
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerForgetPages(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerForgetPagesRequest>());
  FB_CO_TRY(co_await door_.node.ForgetPagesForPeer(
      *who_, request.attachment_id, std::string(request.key), request.folder_bytes, slow.call));
  Answer(slow.header, wire::PeerForgetPagesAnswer{});
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerFollows(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerFollowsRequest>());
  FB_CO_ASSIGN(const Followed followed,
               co_await door_.node.FollowedForPeer(*who_, request.epoch, slow.call));
  Answer(slow.header,
         wire::PeerFollowsAnswer{.epoch = followed.epoch, .since_ms = followed.since_ms});
  co_return Result<void>{};
}

// -- Loading

Task<Result<void>> Session::Load(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::LoadRequest>());
  std::vector<LoadItem> items;
  items.reserve(request.items.size());
  for (const wire::LoadItem& item : request.items) {
    items.push_back({std::string(item.key), item.offset, item.size});
  }
  FB_CO_ASSIGN(const LoadReport report,
               co_await door_.node.Load(*who_, std::string(request.attachment), std::move(items),
                                        slow.call));
  wire::LoadAnswer answer{
      .bytes = report.bytes, .nodes = report.nodes, .passed_over = {}, .failures = {}};
  for (const std::string& name : report.passed_over) {
    if (answer.passed_over.size() < wire::kMaxLoadItems) answer.passed_over.push_back({name});
  }
  for (const LoadReport::Failure& failure : report.failures) {
    answer.failures.push_back({.item = static_cast<uint16_t>(failure.item),
                               .status = wire::StatusOf(failure.error.code()),
                               .node = failure.node,
                               .message = Shortened(failure.error.message())});
  }
  Answer(slow.header, answer);
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerLoad(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerLoadRequest>());
  std::vector<PeerLoadItem> items;
  items.reserve(request.items.size());
  for (const wire::PeerLoadItem& item : request.items) {
    items.push_back({.key = std::string(item.key),
                     .info = {std::string(item.etag), item.object_size, item.modified_ns},
                     .offset = item.offset,
                     .size = item.size});
  }
  FB_CO_ASSIGN(const auto results, co_await door_.node.LoadForPeer(*who_, request.attachment_id,
                                                                   std::move(items), slow.call));
  wire::PeerLoadAnswer answer;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i]) continue;
    answer.failures.push_back({.item = static_cast<uint16_t>(i),
                               .status = wire::StatusOf(results[i].error().code()),
                               .message = Shortened(results[i].error().message())});
  }
  Answer(slow.header, answer);
  co_return Result<void>{};
}

// -- Who has what

Task<Result<void>> Session::Owners(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::OwnersRequest>());
  FB_CO_ASSIGN(const ResolvedObject object,
               co_await door_.node.Stat(*who_, std::string(request.path), slow.call, &slow.trace));
  FB_CO_ASSIGN(const auto owners,
               co_await door_.node.OwnersOf(*who_, object, request.first_chunk, slow.call));
  wire::OwnersAnswer answer{.info = InfoOf(object),
                            .chunk_bytes = object.attachment->config.chunk_bytes,
                            .nodes = {},
                            .chunks = {}};
  for (const auto& node : owners.nodes) {
    answer.nodes.push_back({.answered = !node.error,
                            .name = node.name,
                            .message = node.error ? Shortened(node.error->message()) : ""});
  }
  for (const auto& chunk : owners.chunks) {
    answer.chunks.push_back({.owner = chunk.owner,
                             .next = chunk.next,
                             .here = OnWire(chunk.here),
                             .at_owner = OnWire(chunk.at_owner)});
  }
  Answer(slow.header, answer);
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerHeld(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerHeldRequest>());
  std::vector<uint64_t> chunks;
  chunks.reserve(request.chunks.size());
  for (const wire::ChunkNumber& chunk : request.chunks) chunks.push_back(chunk.chunk);
  FB_CO_ASSIGN(const auto held, co_await door_.node.HeldForPeer(
                                    *who_, request.attachment_id, std::string(request.key),
                                    {std::string(request.etag), request.object_size, 0},
                                    std::move(chunks), slow.call));
  wire::PeerHeldAnswer answer;
  for (const HeldBytes& one : held) answer.held.push_back(OnWire(one));
  Answer(slow.header, answer);
  co_return Result<void>{};
}

// -- How the nodes are

Task<Result<std::string>> Session::OwnStatus() {
  if (!door_.options.status_json) {
    co_return Fail(Code::kUnsupported, "this node tells its status elsewhere");
  }
  co_return co_await door_.node.There(AskStatus(&door_.options.status_json));
}

/// Longer than any list of disks that we have seen.
Result<void> CheckStatusSize(const std::string& json) {
  if (json.size() <= wire::kMaxStatusBytes) return {};
  return Fail(Code::kInternal, "its status is too long for a list");
}

Task<Result<void>> Session::CellStatus(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::CellStatusRequest>());
  FB_CO_TRY(door_.node.gate().CheckAdmin(*who_));
  FB_CO_ASSIGN(PeerStatusPage page,
               co_await door_.node.StatusOfPeers(*who_, std::string(request.after), slow.call));
  // This node is one of them: on the page that its name belongs to.
  const std::string& own = door_.options.node_name;
  const bool before_end = !page.more || own < page.nodes.back().name;
  if ((own > request.after || request.after.empty()) && before_end) {
    FB_CO_ASSIGN(std::string json, co_await OwnStatus());
    page.nodes.push_back({.name = own, .state = "live", .json = std::move(json), .why = {}});
  }
  std::ranges::sort(page.nodes, {}, &forebay::PeerStatus::name);
  wire::CellStatusAnswer answer{.more = page.more, .nodes = {}};
  for (forebay::PeerStatus& node : page.nodes) {
    if (const auto fits = CheckStatusSize(node.json); !fits) {
      node.why = fits.error().message();
      node.json.clear();
    }
    answer.nodes.push_back({.name = node.name,
                            .state = node.state,
                            .json = node.json,
                            .message = Shortened(node.why)});
  }
  Answer(slow.header, answer);
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerStatus(SlowRequest& slow) {
  FB_CO_TRY(slow.Decode<wire::PeerStatusRequest>());
  FB_CO_TRY(door_.node.gate().CheckPeer(*who_));
  FB_CO_ASSIGN(const std::string json, co_await OwnStatus());
  Answer(slow.header, wire::PeerStatusAnswer{.json = json});
  co_return Result<void>{};
}

}  // namespace forebay
