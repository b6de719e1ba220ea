// What of the node's memory this process sees: for each attachment a window (docs/WINDOW.md), read
// without a message. All of them live as long as one connection that carries nothing else and is
// never given up: the node keeps what we have pinned only while that is open.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include "src/client/core.h"
#include "src/window/window_reader.h"

namespace forebay::client {

/// Any thread.
class LocalWindow {
 public:
  LocalWindow(Outside outside, std::shared_ptr<Link> link,
              std::unique_ptr<window::WindowReader> reader)
      : outside_(outside), link_(std::move(link)), reader_(std::move(reader)) {}

  /// Whether all that was read and pinned until now was the node's to give: a node that closes the
  /// connection forgets our pins only afterwards. One system call.
  bool Alive();
  /// What is known without a call.
  bool dead() const { return dead_.load(std::memory_order_relaxed); }

  window::WindowReader& reader() { return *reader_; }
  uint64_t attachment() const { return reader_->attachment(); }

  /// As the reader's, but segments that are not mapped yet are asked for, until `until`. What was
  /// copied counts only if Alive() is true afterwards.
  window::Found Read(const BlockKey& key, uint64_t offset, MutableBytes into, Instant until);
  window::Found Pin(const BlockKey& key, window::PinnedBlock* block, Instant until);

  /// Up to the first block of [offset, offset+into.size()) that is not here: how many bytes were
  /// copied.
  size_t ReadRange(const VersionId& version, uint64_t offset, MutableBytes into, Instant until);

 private:
  bool MapSegment(uint32_t slot, Instant until);

  const Outside outside_;
  const std::shared_ptr<Link> link_;
  const std::unique_ptr<window::WindowReader> reader_;
  std::atomic<bool> dead_{false};
};

using WindowPtr = std::shared_ptr<LocalWindow>;

/// A view that was handed out.
struct ViewRecord {
  uint64_t generation = 0;
  WindowPtr window;  // null: a copy
  window::PinnedBlock pin;
  std::unique_ptr<std::byte[]> copy;
};

/// Any thread.
class Windows {
 public:
  explicit Windows(Core& core) : generation(core.generation), core_(core) {}

  const uint64_t generation;
  void* forgotten = nullptr;  // see PerProcess

  /// The window of an attachment, if there is one by now.
  WindowPtr Find(std::string_view attachment);
  /// Opens it where that is possible and was not in vain a moment ago.
  WindowPtr FindOrOpen(std::string_view attachment, uint64_t id);

  ViewRecord* TakeRecord();
  void GiveRecord(ViewRecord* record);

 private:
  struct Entry {
    WindowPtr window;
    Instant retry_at{};
    bool opening = false;
  };

  Result<WindowPtr> Open(uint64_t id, Instant until);
  Result<std::shared_ptr<Link>> TheLink(Instant until);

  Core& core_;
  std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;

  std::mutex link_mutex_;  // of making it
  std::shared_ptr<Link> link_;

  std::mutex records_mutex_;
  std::deque<ViewRecord> records_;
  std::vector<ViewRecord*> free_records_;
};

/// "/ATTACHMENT/KEY" in its parts; empty where it is no path of an object.
struct PathParts {
  std::string_view attachment;
  std::string_view key;
  static PathParts Of(std::string_view path);
};

}  // namespace forebay::client
