// What is asked of one node and answered by the whole cell; a node that stands alone is a cell of
// one. From version 2 on.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/wire/peer_messages.h"

namespace forebay::wire {

/// The name of a node, in lists.
struct NodeName {
  std::string_view node;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("node", m.node, kMaxNameBytes);
  }
};

// -- Load: brings parts of objects into the cache, each at its owner.

struct LoadItem {
  uint64_t offset = 0;
  uint64_t size = 0;
  std::string_view key;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("offset", m.offset);
    v.Number("size", m.size);
    v.Text("key", m.key, kMaxKeyBytes);
  }
};
/// Answered when every owner has its part. Without items: tells how many nodes there are.
struct LoadRequest {
  static constexpr MessageType kType = MessageType::kLoad;
  std::string_view attachment;  // its name
  std::vector<LoadItem> items;  // at most kMaxLoadBytes together
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("attachment", m.attachment, kMaxNameBytes);
    v.List("items", m.items, kMaxLoadItems);
  }
};

struct LoadFailure {
  uint16_t item = 0;
  uint16_t status = kStatusOk;
  std::string_view node;  // who could not bring it in
  std::string_view message;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("item", m.item);
    v.Number("status", m.status);
    v.Text("node", m.node, kMaxNameBytes);
    v.Text("message", m.message, kMaxLoadErrorBytes);
  }
};
struct LoadAnswer {
  uint64_t bytes = 0;  // that are in the cache now
  uint32_t nodes = 1;  // that live
  std::vector<NodeName>
      passed_over;  // owners that did not answer: the next in order did their part
  std::vector<LoadFailure> failures;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("bytes", m.bytes);
    v.Number("nodes", m.nodes);
    v.List("passed_over", m.passed_over, kMaxLoadItems);
    v.List("failures", m.failures, kMaxLoadItems);
  }
};

// -- HandOver: of what a node owned before its map changed, its owners now get what it has.

struct HandOverRequest {
  static constexpr MessageType kType = MessageType::kHandOver;
  uint32_t stripe = 0;  // of the names; from 0 to HandOverAnswer::stripes
  uint32_t skip = 0;    // parts of the stripe that were handed over before
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("stripe", m.stripe);
    v.Number("skip", m.skip);
  }
};
struct HandOverAnswer {
  uint32_t stripes = 0;
  uint32_t parts = 0;   // that were handed over now, or could not be
  uint32_t failed = 0;  // of those
  uint64_t bytes = 0;
  bool more = false;  // in the stripe
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("stripes", m.stripes);
    v.Number("parts", m.parts);
    v.Number("failed", m.failed);
    v.Number("bytes", m.bytes);
    v.Flag("more", m.more);
  }
};

// -- Owners: who owns the chunks of an object, and what they have of them.

struct OwnersRequest {
  static constexpr MessageType kType = MessageType::kOwners;
  uint64_t first_chunk = 0;  // an answer has kMaxOwnersChunks at most
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("first_chunk", m.first_chunk);
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct OwnersNode {
  bool answered = false;
  std::string_view name;
  std::string_view message;  // why it did not
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Flag("answered", m.answered);
    v.Text("name", m.name, kMaxNameBytes);
    v.Text("message", m.message, kMaxLoadErrorBytes);
  }
};
struct OwnersChunk {
  uint16_t owner = 0;  // among the answer's nodes
  uint16_t next = 0;   // who owns it should that one go; the same where there is no other
  HeldBytes here;
  HeldBytes at_owner;  // nothing where that one did not answer
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("owner", m.owner);
    v.Number("next", m.next);
    HeldBytes::Fields(v, m.here);
    HeldBytes::Fields(v, m.at_owner);
  }
};
struct OwnersAnswer {
  Info info;
  uint64_t chunk_bytes = 0;
  std::vector<OwnersNode> nodes;    // the node that was asked first
  std::vector<OwnersChunk> chunks;  // from first_chunk on
  template <class V, class M>
  static void Fields(V& v, M& m) {
    Info::Fields(v, m.info);
    v.Number("chunk_bytes", m.chunk_bytes);
    v.List("nodes", m.nodes, 2 * kMaxOwnersChunks + 1);
    v.List("chunks", m.chunks, kMaxOwnersChunks);
  }
};

// -- CellStatus: the status of each node.

inline constexpr size_t kMaxCellStatusNodes = 33;
inline constexpr size_t kMaxStatusBytes = 30'000;  // of one node, in a list

struct CellStatusRequest {
  static constexpr MessageType kType = MessageType::kCellStatus;
  std::string_view after;  // the name that the page before ended with
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("after", m.after, kMaxNameBytes);
  }
};
struct NodeStatus {
  std::string_view name;
  std::string_view state;    // live, silent (it did not answer), leaving, gone
  std::string_view json;     // empty where it did not answer
  std::string_view message;  // why it did not
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("name", m.name, kMaxNameBytes);
    v.Text("state", m.state, kMaxNameBytes);
    v.Text("json", m.json, kMaxStatusBytes);
    v.Text("message", m.message, kMaxLoadErrorBytes);
  }
};
struct CellStatusAnswer {
  bool more = false;
  std::vector<NodeStatus> nodes;  // in the order of their names
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Flag("more", m.more);
    v.List("nodes", m.nodes, kMaxCellStatusNodes);
  }
};

}  // namespace forebay::wire
