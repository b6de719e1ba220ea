// What the door asks of whoever publishes nodes' memory to processes (src/window).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/node/gate.h"
#include "src/runtime/clock.h"
#include "src/runtime/task.h"

namespace forebay {

/// One connection that uses windows: pins that its process holds end with it.
using WindowSession = uint64_t;

struct WindowGrant {
  std::string grant;             // the answer's bytes
  std::vector<int> descriptors;  // sent along
  /// Keeps them open until they are sent, where the session does not.
  std::shared_ptr<const void> owner;
};

/// Used from the door's loop.
class WindowHost {
 public:
  virtual ~WindowHost() = default;
  /// The table of one attachment, for a caller that may read it.
  virtual Task<Result<WindowGrant>> Open(Authenticated who, WindowSession session,
                                         uint64_t attachment_id, std::string request,
                                         Call call) = 0;
  /// The memory that a slot of the table stands for.
  virtual Task<Result<WindowGrant>> Segment(Authenticated who, WindowSession session,
                                            uint64_t attachment_id, uint32_t segment,
                                            Call call) = 0;
  /// The connection is gone, and with it whatever its process held.
  virtual void Ended(WindowSession session) = 0;
};

}  // namespace forebay
