// Samples of what is asked of a whole cell, and between its nodes for that.
#pragma once

#include "src/wire/cell_messages.h"
#include "src/wire/frame.h"

namespace forebay::wire {

inline Info SampleInfo() {
  return {.version = {{.hi = 0x0123456789abcdef, .lo = 0xfedcba9876543210}},
          .size = 5'000'000'000,
          .modified_ns = 1'750'000'000'000'000'000,
          .attachment_id = 3,
          .fresh_for_ms = 60'000,
          .block_bytes = 1u << 20,
          .etag = "v1-abc"};
}

template <class To>
void AddListingSamples(To& to) {
  to.Request("PeerList", PeerListRequest{.attachment_id = 3,
                                         .limit = 100,
                                         .prefix = "train/",
                                         .delimiter = "/",
                                         .after = "train/a"});
  to.Answer("PeerListAnswer", MessageType::kPeerList,
            PeerListAnswer{.more = true,
                           .entries = {{.key = "train/b",
                                        .etag = "v1-abc",
                                        .size = 17,
                                        .modified_ns = 1'750'000'000'000'000'000,
                                        .is_prefix = false},
                                       {.key = "train/c/", .etag = {}, .is_prefix = true}}});
  to.Request("PeerForgetPages",
             PeerForgetPagesRequest{.attachment_id = 3, .folder_bytes = 6, .key = "train/b"});
  to.Request("PeerFollows", PeerFollowsRequest{.epoch = 39});
  to.Answer("PeerFollowsAnswer", MessageType::kPeerFollows,
            PeerFollowsAnswer{.epoch = 40, .since_ms = 2500});
}

template <class To>
void SampleCell(To& to) {
  to.Request("Load", LoadRequest{.attachment = "data",
                                 .items = {{.offset = 0, .size = 32u << 20, .key = "a.bin"},
                                           {.offset = 32u << 20, .size = 17, .key = "x/b.bin"}}});
  to.Answer("LoadAnswer", MessageType::kLoad,
            LoadAnswer{.bytes = 32u << 20,
                       .nodes = 3,
                       .passed_over = {{.node = "node-7"}},
                       .failures = {{.item = 1,
                                     .status = StatusOf(Code::kNotFound),
                                     .node = "node-8",
                                     .message = "gone"}}});
  to.Request("HandOver", HandOverRequest{.stripe = 5, .skip = 2});
  to.Answer(
      "HandOverAnswer", MessageType::kHandOver,
      HandOverAnswer{.stripes = 64, .parts = 3, .failed = 1, .bytes = 2u << 20, .more = true});
  to.Request("Owners", OwnersRequest{.first_chunk = 512, .path = "/data/a.bin"});
  const HeldBytes none;
  to.Answer("OwnersAnswer", MessageType::kOwners,
            OwnersAnswer{.info = SampleInfo(),
                         .chunk_bytes = 32u << 20,
                         .nodes = {{.answered = true, .name = "node-7", .message = {}},
                                   {.answered = false, .name = "node-8", .message = "silent"}},
                         .chunks = {{.owner = 0,
                                     .next = 1,
                                     .here = {.memory_bytes = 4096, .disk_bytes = 8192},
                                     .at_owner = {.memory_bytes = 4096, .disk_bytes = 8192}},
                                    {.owner = 1, .next = 0, .here = none, .at_owner = none}}});
  to.Request("CellStatus", CellStatusRequest{.after = "node-6"});
  to.Answer("CellStatusAnswer", MessageType::kCellStatus,
            CellStatusAnswer{
                .more = true,
                .nodes = {{.name = "node-7", .state = "live", .json = "{}", .message = {}},
                          {.name = "node-8", .state = "silent", .json = {}, .message = "late"}}});

  to.Request("PeerLoad", PeerLoadRequest{.attachment_id = 3,
                                         .items = {{.object_size = 5'000'000'000,
                                                    .modified_ns = 1'750'000'000'000'000'000,
                                                    .offset = 32u << 20,
                                                    .size = 17,
                                                    .key = "a.bin",
                                                    .etag = "v1-abc"}}});
  to.Answer("PeerLoadAnswer", MessageType::kPeerLoad,
            PeerLoadAnswer{
                .failures = {
                    {.item = 0, .status = StatusOf(Code::kVersionChanged), .message = "changed"}}});
  to.Request("PeerHeld", PeerHeldRequest{.attachment_id = 3,
                                         .object_size = 5'000'000'000,
                                         .chunks = {{.chunk = 0}, {.chunk = 7}},
                                         .key = "a.bin",
                                         .etag = "v1-abc"});
  to.Answer("PeerHeldAnswer", MessageType::kPeerHeld,
            PeerHeldAnswer{.held = {{.memory_bytes = 4096, .disk_bytes = 8192}, {}}});
  AddListingSamples(to);
  to.Request("PeerStatus", PeerStatusRequest{});
  to.Answer("PeerStatusAnswer", MessageType::kPeerStatus, PeerStatusAnswer{.json = "{}"});
}

}  // namespace forebay::wire
