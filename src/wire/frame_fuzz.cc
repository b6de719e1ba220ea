// Whatever may come in by a socket, in pieces of any size: the inbox finds frames or refuses, every
// decoder answers or refuses, and what was decoded is written again as the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/base/assert.h"
#include "src/wire/inbox.h"
#include "src/wire/testing/samples.h"

namespace forebay::wire {
namespace {

template <class M>
void CheckMessage(MessageType type, Bytes body) {
  const auto message = DecodeMeta<M>(type, body);
  if (!message) return;
  std::vector<std::byte> again(kHeaderBytes + body.size() + 16);
  FB_ASSERT(EncodeFrame(again, {.type = type}, *message) == kHeaderBytes + body.size());
  FB_ASSERT(std::ranges::equal(Bytes(again).subspan(kHeaderBytes, body.size()), body));
}

/// As every message that has this type, request or answer.
void CheckFrame(const FrameHeader& header, Bytes meta) {
  Bytes body;
  const bool has_head = DecodeHead(header, meta, &body).has_value();
  ForEachSample([&](std::string_view, bool is_request, FrameHeader sample, const auto& message) {
    using M = std::decay_t<decltype(message)>;
    if (sample.type != header.type) return;
    if (!is_request) CheckMessage<M>(header.type, meta);
    if (is_request && has_head) CheckMessage<M>(header.type, body);
  });
}

}  // namespace
}  // namespace forebay::wire

/// The first byte says how large the pieces are. Checksums are set right first where it is odd:
/// no fuzzer finds one, and what lies behind them must be reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace forebay;
  using namespace forebay::wire;
  if (size == 0) return 0;
  const size_t piece = 1 + data[0] / 2;
  const bool mend = data[0] % 2 == 1;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> input(bytes + 1, bytes + size);
  if (mend && input.size() >= kHeaderBytes) {
    const auto claimed = LoadFrom<uint32_t>(input.data());
    const size_t meta_size = std::min<size_t>(claimed, input.size() - kHeaderBytes);
    StoreTo(input.data() + 24, FrameCrc(Bytes(input).subspan(kHeaderBytes, meta_size)));
    StoreTo(input.data() + 28, FrameCrc(Bytes(input).first(28)));
  }
  Inbox inbox;
  for (size_t at = 0; at < input.size();) {
    const size_t step = std::min(piece, input.size() - at);
    std::ranges::copy(Bytes(input).subspan(at, step), inbox.Room(step).begin());
    inbox.Received(step);
    at += step;
    for (;;) {
      const auto whole = inbox.Parse();
      if (!whole) return 0;
      if (!*whole) break;
      CheckFrame(inbox.header(), inbox.meta());
      inbox.Finish();
    }
  }
  return 0;
}
