// What the nodes of a cell ask one another about names and folders: from version 2 on, and only of
// those who came with the cell's secret.
#pragma once

#include <cstdint>
#include <string_view>

#include "src/wire/read_messages.h"

namespace forebay::wire {

/// The first version that has these.
inline constexpr uint16_t kPeerVersion = 2;
inline constexpr size_t kMaxKeyBytes = 1024;

/// What a name means, of the node that looks names like it up for the cell. Whoever asked is told
/// when a write changes it, until its lease (Info::fresh_for_ms) ends.
struct PeerResolveRequest {
  static constexpr MessageType kType = MessageType::kPeerResolve;
  uint64_t attachment_id = 0;
  bool to_read = false;    // its first bytes are of use
  std::string_view asker;  // the node's name
  std::string_view key;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Flag("to_read", m.to_read);
    v.Text("asker", m.asker, kMaxNameBytes);
    v.Text("key", m.key, kMaxKeyBytes);
  }
};
struct PeerResolveAnswer {
  bool exists = false;  // if not: nothing of the info but its lease
  Info info;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Flag("exists", m.exists);
    Info::Fields(v, m.info);
  }
};

/// A name was written: what is known of it is old. Asked of the name's owner by whoever wrote it,
/// before the writer has its answer; by the owner of those who hold leases.
struct PeerForgetRequest {
  static constexpr MessageType kType = MessageType::kPeerForget;
  uint64_t attachment_id = 0;
  bool pass_on = false;  // to all who hold a lease: the answer comes when they have answered
  std::string_view key;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Flag("pass_on", m.pass_on);
    v.Text("key", m.key, kMaxKeyBytes);
  }
};
using PeerForgetAnswer = Empty;

/// A page of a listing, of the node that lists the folder for the cell: the prefix up to its last
/// slash.
struct PeerListRequest {
  static constexpr MessageType kType = MessageType::kPeerList;
  uint64_t attachment_id = 0;
  uint16_t limit = kMaxListEntries;
  std::string_view prefix;
  std::string_view delimiter;
  std::string_view after;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Number("limit", m.limit);
    v.Text("prefix", m.prefix, kMaxKeyBytes);
    v.Text("delimiter", m.delimiter, 1);
    v.Text("after", m.after, kMaxKeyBytes);
  }
};
using PeerListAnswer = ListAnswer;

/// A name was written: pages that may tell of it are old. Asked of whoever lists a folder that it
/// is in, before the writer has its answer.
struct PeerForgetPagesRequest {
  static constexpr MessageType kType = MessageType::kPeerForgetPages;
  uint64_t attachment_id = 0;
  uint16_t folder_bytes = 0;  // so much of the key is the folder
  std::string_view key;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Number("folder_bytes", m.folder_bytes);
    v.Text("key", m.key, kMaxKeyBytes);
  }
};
using PeerForgetPagesAnswer = Empty;

/// By which map a node goes: it owns nothing any more that a former one gave it. Whoever goes by an
/// older one than the asker owns nothing, until it goes by that one, too.
struct PeerFollowsRequest {
  static constexpr MessageType kType = MessageType::kPeerFollows;
  uint64_t epoch = 0;  // of the asker's map
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("epoch", m.epoch);
  }
};
struct PeerFollowsAnswer {
  uint64_t epoch = 0;     // its own, or the asker's, if that is the later one
  uint64_t since_ms = 0;  // at least; since owners last moved for it
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("epoch", m.epoch);
    v.Number("since_ms", m.since_ms);
  }
};

}  // namespace forebay::wire
