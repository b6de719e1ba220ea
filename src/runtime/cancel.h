// Cancellation is explicit: a source says "give up", tokens carry it down, and whatever waits
// listens. All of one source is used from one loop.
#pragma once

#include <utility>

#include "src/base/assert.h"

namespace forebay {

class CancelSource;

/// A place in a source's list of those to be told. Lives in the frame of whoever waits; unlinks
/// itself.
class CancelListener {
 public:
  using Callback = void (*)(void* argument);

  CancelListener() = default;
  CancelListener(const CancelListener&) = delete;
  CancelListener& operator=(const CancelListener&) = delete;
  ~CancelListener() { Unlink(); }

  void Unlink();

 private:
  friend class CancelToken;
  friend class CancelSource;

  CancelSource* source_ = nullptr;
  CancelListener* previous_ = nullptr;
  CancelListener* next_ = nullptr;
  Callback callback_ = nullptr;
  void* argument_ = nullptr;
};

/// Cheap to copy; the default one is never cancelled. Must not outlive its source.
class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const;

  /// `callback(argument)` runs once, inside Cancel(), unless `listener` is gone by then. False, and
  /// nothing is registered, where the source was cancelled already.
  bool Listen(CancelListener& listener, CancelListener::Callback callback, void* argument) const;

 private:
  friend class CancelSource;
  explicit CancelToken(CancelSource* source) : source_(source) {}
  CancelSource* source_ = nullptr;
};

class CancelSource {
 public:
  CancelSource() = default;
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;
  ~CancelSource() { FB_ASSERT(first_ == nullptr); }

  CancelToken token() { return CancelToken(this); }
  bool cancelled() const { return cancelled_; }

  /// Tells everyone who listens, once. Callbacks only mark and post; they never run the waiter in
  /// place.
  void Cancel() {
    cancelled_ = true;
    while (first_ != nullptr) {
      CancelListener* listener = first_;
      listener->Unlink();
      listener->callback_(listener->argument_);
    }
  }

 private:
  friend class CancelToken;
  friend class CancelListener;
  CancelListener* first_ = nullptr;
  bool cancelled_ = false;
};

inline bool CancelToken::cancelled() const {
  return source_ != nullptr && source_->cancelled_;
}

inline bool CancelToken::Listen(CancelListener& listener, CancelListener::Callback callback,
                                void* argument) const {
  FB_ASSERT(listener.source_ == nullptr);
  if (source_ == nullptr) return true;
  if (source_->cancelled_) return false;
  listener.source_ = source_;
  listener.callback_ = callback;
  listener.argument_ = argument;
  listener.previous_ = nullptr;
  listener.next_ = std::exchange(source_->first_, &listener);
  if (listener.next_ != nullptr) listener.next_->previous_ = &listener;
  return true;
}

inline void CancelListener::Unlink() {
  if (source_ == nullptr) return;
  (previous_ != nullptr ? previous_->next_ : source_->first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  source_ = nullptr;
  previous_ = next_ = nullptr;
}

}  // namespace forebay
