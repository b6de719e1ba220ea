// The native door's windows: who may have one, and which connection it belongs to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "src/core/names/name_cache.h"
#include "src/front/native/window_host.h"
#include "src/node/counters.h"
#include "src/node/node.h"
#include "src/runtime/env.h"
#include "src/window/window_host.h"

namespace forebay {

/// Used from the door's loop; `windows()` from any thread. What a client asks with (WindowRequest's
/// bytes) is nothing, or 8 bytes, little-endian: what it wants to pin at most. It is answered with
/// nothing and the descriptors of table and page; for a slot, with the segment's number (8 bytes)
/// and its descriptor.
class NodeWindow final : public WindowHost {
 public:
  /// Whether the caller may read the attachment now; kNotFound where there is none of that id.
  using MayRead = std::function<Result<void>(const Authenticated& who, AttachmentId attachment)>;

  struct Parts {
    Store& store;
    NameCache& names;
    Counters& counters;
    MayRead may_read;
    std::function<bool(AttachmentId)> attached;  // still
  };
  static Parts PartsOf(Node& node);

  /// All parts outlive it. `options` as window::WindowOptions::For makes them.
  NodeWindow(Memory& memory, Parts parts, window::WindowOptions options);
  ~NodeWindow() override;

  Task<Result<WindowGrant>> Open(Authenticated who, WindowSession session, uint64_t attachment_id,
                                 std::string request, Call call) override;
  Task<Result<WindowGrant>> Segment(Authenticated who, WindowSession session,
                                    uint64_t attachment_id, uint32_t segment, Call call) override;
  void Ended(WindowSession session) override;

  window::WindowHost& windows() { return windows_; }

  /// Adds what clients have read since the last time, so that figures are of this moment.
  void CountReads();

  /// Collects what clients have read and let go, and ends the windows of what was detached, until
  /// `cancel`. Run it beside the door.
  Task<void> Collect(Env& env, CancelToken cancel);

  size_t open_windows() const { return sessions_.size(); }

 private:
  void DropGone();

  using Key = std::pair<WindowSession, AttachmentId>;

  const Parts parts_;
  window::WindowHost windows_;
  std::map<Key, std::unique_ptr<window::WindowSession>> sessions_;
  std::set<AttachmentId> told_;  // whose names are in their windows
  bool some_gone_ = false;       // sessions of attachments that are not there any more
};

}  // namespace forebay
