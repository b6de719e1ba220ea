// Gets that have come to the connections of one loop and are not looked at yet. What each will look
// at is far away in memory; brought nearer for many at once, the waits for it overlap. So a get
// that came alone lets others that are ready go first: most of them bring gets, too.
#pragma once

#include <array>
#include <span>

#include "src/node/foresee.h"
#include "src/node/node_access.h"

namespace forebay {

/// Of one loop. Who was told to let others go first yields once, touches nothing that it has
/// announced until then, and calls Foresee when it goes on.
class ComingGets {
 public:
  explicit ComingGets(NodeAccess& node) : node_(node) {}
  ComingGets(const ComingGets&) = delete;
  ComingGets& operator=(const ComingGets&) = delete;

  /// What is named must stay where it is until the next Foresee, or until LetOthersFirst says no.
  void Announce(const ComingGet& get) {
    gets_[count_++] = get;
    if (count_ == gets_.size()) Foresee();
  }

  /// After a connection has announced `own` of them.
  bool LetOthersFirst(size_t own) {
    if (count_ == 0) return false;
    if (own > 1) {
      Foresee();
      return false;
    }
    if (count_ > own || alone_ == 0) return true;
    --alone_;
    count_ = 0;
    return false;
  }

  void Foresee() {
    if (count_ == 0) return;
    // Nobody came along: the next few do not wait for that. One that is left over was not alone.
    if (count_ == 1 && !crowd_) alone_ = kAloneFor;
    crowd_ = count_ == gets_.size();
    if (count_ > 1) {
      alone_ = 0;
      node_.Foresee(std::span(gets_).first(count_));
    }
    count_ = 0;
  }

 private:
  static constexpr uint32_t kAloneFor = 16;

  NodeAccess& node_;
  std::array<ComingGet, kMaxComingGets> gets_;
  size_t count_ = 0;
  bool crowd_ = false;  // the last were as many as fit
  uint32_t alone_ = 0;  // so many more gets that come alone go on at once
};

}  // namespace forebay
