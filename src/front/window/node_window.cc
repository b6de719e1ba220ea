#include "src/front/window/node_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace forebay {
namespace {

constexpr Duration kCollectEvery = std::chrono::milliseconds(50);
/// Each costs pages and descriptors; a process that reads more attachments reads them by message.
constexpr ptrdiff_t kMaxWindowsAConnection = 64;

}  // namespace

NodeWindow::Parts NodeWindow::PartsOf(Node& node) {
  const auto find = [&node](const Authenticated& who, AttachmentId id) {
    const auto all = node.Attachments(who);
    const auto found = std::ranges::find(all, id, [](const auto& one) { return one->config.id; });
    return found == all.end() ? nullptr : *found;
  };
  return {
      .store = node.store(),
      .names = node.names(),
      .counters = node.counters(),
      .may_read = [&node, find](const Authenticated& who, AttachmentId id) -> Result<void> {
        const auto attachment = find(who, id);
        if (attachment == nullptr) {
          return Fail(Code::kNotFound, fmt::format("there is no attachment {}", id));
        }
        return node.gate().Check(who, kRead, attachment->guarded());
      },
      .attached = [&node,
                   find](AttachmentId id) { return find(node.gate().AdmitSelf(), id) != nullptr; }};
}

NodeWindow::NodeWindow(Memory& memory, Parts parts, window::WindowOptions options)
    : parts_(std::move(parts)), windows_(memory, parts_.store, options) {
  parts_.names.Watch(&windows_);
}

NodeWindow::~NodeWindow() {
  parts_.names.Watch(nullptr);
}

Task<Result<WindowGrant>> NodeWindow::Open(Authenticated who, WindowSession session,
                                           uint64_t attachment_id, std::string request, Call) {
  FB_CO_TRY(parts_.may_read(who, attachment_id));
  uint64_t pin_bytes = std::numeric_limits<uint64_t>::max();
  if (request.size() == sizeof pin_bytes) {
    pin_bytes = LoadFrom<uint64_t>(request.data());
  } else if (!request.empty()) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("a window is asked for with 0 or 8 bytes, not {}", request.size()));
  }
  const auto first = sessions_.lower_bound({session, 0});
  const auto last = sessions_.upper_bound({session, std::numeric_limits<AttachmentId>::max()});
  if (sessions_.contains({session, attachment_id})) {
    co_return Fail(Code::kAlreadyExists,
                   fmt::format("this connection has a window of attachment {}", attachment_id));
  }
  if (std::distance(first, last) >= kMaxWindowsAConnection) {
    co_return Fail(Code::kOverloaded, fmt::format("this connection has {} windows already; read "
                                                  "other attachments by message",
                                                  kMaxWindowsAConnection));
  }
  FB_CO_ASSIGN(auto opened, windows_.Open(attachment_id, pin_bytes));
  WindowGrant grant{.descriptors = {opened->table_descriptor(), opened->page_descriptor()}};
  sessions_.emplace(Key{session, attachment_id}, std::move(opened));
  if (told_.insert(attachment_id).second) parts_.names.TellAll(attachment_id);
  co_return std::move(grant);
}

Task<Result<WindowGrant>> NodeWindow::Segment(Authenticated who, WindowSession session,
                                              uint64_t attachment_id, uint32_t segment, Call) {
  FB_CO_TRY(parts_.may_read(who, attachment_id));
  const auto open = sessions_.find({session, attachment_id});
  if (open == sessions_.end()) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("this connection has no window of attachment {}", attachment_id));
  }
  FB_CO_ASSIGN(auto found, open->second->Segment(segment));
  WindowGrant grant{.grant = std::string(AsText(std::as_bytes(std::span(&found.number, 1)))),
                    .descriptors = {found.memory->ReadOnlyDescriptor()},
                    .owner = std::move(found.memory)};
  co_return std::move(grant);
}

void NodeWindow::Ended(WindowSession session) {
  CountReads();  // an attachment's window goes with its last client, and what it counted with it
  const auto first = sessions_.lower_bound({session, 0});
  const auto last = sessions_.upper_bound({session, std::numeric_limits<AttachmentId>::max()});
  sessions_.erase(first, last);
}

void NodeWindow::CountReads() {
  const window::LocalReads reads = windows_.Drain();
  parts_.counters.read.local_hits.Add(reads.hits);
  parts_.counters.read.local_bytes.Add(reads.bytes);
}

/// Clients that live on get their slots back for what is attached.
void NodeWindow::DropGone() {
  some_gone_ = false;
  std::erase_if(sessions_, [this](const auto& entry) {
    if (told_.contains(entry.first.second)) return false;
    if (entry.second->EndIfOver()) return true;
    some_gone_ = true;
    return false;
  });
}

Task<void> NodeWindow::Collect(Env& env, CancelToken cancel) {
  while (co_await env.clock.Sleep(kCollectEvery, cancel)) {
    CountReads();
    const auto gone = std::erase_if(told_, [this](AttachmentId attachment) {
      if (parts_.attached(attachment)) return false;
      windows_.Forget(attachment);
      return true;
    });
    some_gone_ |= gone > 0;
    if (some_gone_) DropGone();
  }
}

}  // namespace forebay
