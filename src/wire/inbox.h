// What was received and not yet taken: finds frames in it. No I/O; both sides use it.
//
//   for (;;) {
//     FB_ASSIGN(bool whole, inbox.Parse());
//     if (whole) { use inbox.header(), inbox.meta(), inbox.BufferedData(); inbox.Finish(); }
//     else inbox.Received(receive(inbox.Room(kAtLeast)));
//   }
#pragma once

#include <optional>

#include "src/wire/frame.h"
#include "src/wire/growing_buffer.h"

namespace forebay::wire {

class Inbox {
 public:
  /// Where to receive: at least so many bytes, more where there is room. Moves what is there, so
  /// views of it end here. Memory grows with what came, not with what a header claims.
  MutableBytes Room(size_t at_least) {
    if (begin_ > 0) {
      buffer_.DropFront(begin_);
      begin_ = 0;
    }
    return buffer_.Room(at_least);
  }
  void Received(size_t bytes) { buffer_.Added(bytes); }

  /// True: a frame's header and meta are there and intact. Errors are final (DecodeHeader,
  /// CheckMeta).
  Result<bool> Parse();

  /// After Parse gave true, up to Finish or Room.
  const FrameHeader& header() const { return *header_; }
  Bytes meta() const { return unread().subspan(kHeaderBytes, header_->meta_size); }
  /// What of the frame's data has come with it.
  Bytes BufferedData() const {
    const Bytes rest = unread().subspan(kHeaderBytes + header_->meta_size);
    return rest.first(std::min<size_t>(rest.size(), header_->data_size));
  }
  /// What the frame that is coming in says of its meta; 0 before its header is there.
  size_t claimed_meta_bytes() const { return header_ ? header_->meta_size : 0; }
  /// Calls `see(header, meta)` for up to `most` frames from this one on that are there whole and
  /// bring no data, and counts them. They are not checked yet: good for guesses only.
  template <class See>
  size_t Peek(size_t most, const See& see) const {
    Bytes rest = unread();
    size_t seen = 0;
    for (; seen < most && rest.size() >= kHeaderBytes; ++seen) {
      const auto header = DecodeHeader(rest.first<kHeaderBytes>());
      if (!header || header->data_size > 0) break;
      rest = rest.subspan(kHeaderBytes);
      if (rest.size() < header->meta_size) break;
      see(*header, rest.first(header->meta_size));
      rest = rest.subspan(header->meta_size);
    }
    return seen;
  }
  /// Done with the frame and its buffered data; what is still missing of the data is the caller's
  /// to receive, directly to where it belongs.
  void Finish() {
    begin_ += kHeaderBytes + header_->meta_size + BufferedData().size();
    header_.reset();
  }

  bool empty() const { return begin_ == buffer_.size(); }
  /// Gives memory back where nothing is left in a buffer that has grown.
  void Shrink(size_t above) {
    if (!empty() || buffer_.capacity() <= above) return;
    buffer_.Release();
    begin_ = 0;
  }

 private:
  Bytes unread() const { return buffer_.bytes().subspan(begin_); }

  GrowingBuffer buffer_;
  size_t begin_ = 0;
  std::optional<FrameHeader> header_;  // of the frame at begin_, once it was read
};

}  // namespace forebay::wire
