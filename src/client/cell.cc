// What the whole cell does or tells.
#include "src/client/client.h"
#include "src/client/file.h"
#include "src/wire/cell_messages.h"

namespace forebay::client {
namespace {

ChunkOwners::Held HeldOf(const wire::HeldBytes& held) {
  return {.memory_bytes = held.memory_bytes, .disk_bytes = held.disk_bytes};
}

}  // namespace

Result<Loaded> Client::Load(std::string_view attachment, std::span<const LoadPart> parts) {
  wire::LoadRequest request{.attachment = attachment, .items = {}};
  for (const LoadPart& part : parts) request.items.push_back({part.offset, part.size, part.key});
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::LoadAnswer>(request));
  Loaded loaded{
      .bytes = answer.value.bytes, .nodes = answer.value.nodes, .passed_over = {}, .failures = {}};
  for (const auto& name : answer.value.passed_over) loaded.passed_over.emplace_back(name.node);
  for (const wire::LoadFailure& failure : answer.value.failures) {
    loaded.failures.push_back(
        {.part = failure.item,
         .node = std::string(failure.node),
         .error = Error(wire::CodeOf(failure.status), std::string(failure.message))});
  }
  return loaded;
}

Result<HandedOver> Client::HandOver(uint32_t stripe, uint32_t skip) {
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::HandOverAnswer>(
                                   wire::HandOverRequest{.stripe = stripe, .skip = skip}));
  return HandedOver{.stripes = answer.value.stripes,
                    .parts = answer.value.parts,
                    .failed = answer.value.failed,
                    .bytes = answer.value.bytes,
                    .more = answer.value.more};
}

Result<ChunkOwners> Client::Owners(std::string_view path, uint64_t first_chunk) {
  FB_ASSIGN(const auto answer, impl_->core().Ask<wire::OwnersAnswer>(
                                   wire::OwnersRequest{.first_chunk = first_chunk, .path = path}));
  ChunkOwners owners{.info = ObjectInfo::Of(answer.value.info),
                     .chunk_bytes = answer.value.chunk_bytes,
                     .nodes = {},
                     .chunks = {}};
  for (const wire::OwnersNode& node : answer.value.nodes) {
    owners.nodes.push_back({.name = std::string(node.name),
                            .answered = node.answered,
                            .why = std::string(node.message)});
  }
  for (const wire::OwnersChunk& chunk : answer.value.chunks) {
    if (std::max(chunk.owner, chunk.next) >= owners.nodes.size()) {
      return Fail(Code::kCorrupt, "the node names an owner that it does not list");
    }
    owners.chunks.push_back({.owner = chunk.owner,
                             .next = chunk.next,
                             .here = HeldOf(chunk.here),
                             .at_owner = HeldOf(chunk.at_owner)});
  }
  return owners;
}

Result<std::vector<NodeStatus>> Client::StatusOfAll() {
  std::vector<NodeStatus> all;
  for (bool more = true; more;) {
    const std::string after = all.empty() ? "" : all.back().name;
    FB_ASSIGN(const auto answer,
              impl_->core().Ask<wire::CellStatusAnswer>(wire::CellStatusRequest{.after = after}));
    for (const wire::NodeStatus& node : answer.value.nodes) {
      all.push_back({.name = std::string(node.name),
                     .state = std::string(node.state),
                     .json = std::string(node.json),
                     .why = std::string(node.message)});
    }
    more = answer.value.more && !answer.value.nodes.empty();
  }
  return all;
}

void Client::Interrupt() {
  impl_->core().Close();
}

}  // namespace forebay::client
