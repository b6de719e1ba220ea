#include "src/store/view.h"

#include "src/base/checksum.h"
#include "src/base/units.h"
#include "src/store/planted.h"

namespace forebay {

bool View::Verify(uint32_t offset) const {
  const uint32_t first = offset / kPageBytes;
  const auto pages = static_cast<uint32_t>(DivideRoundUp(bytes_.size(), kPageBytes));
  return FirstBadPage(ChecksumKey(frame_->key), first, bytes_, frame_->trailer().crcs() + first) ==
         pages;
}

bool View::CopyVerifiedTo(uint32_t offset, std::byte* to) const {
  const uint32_t first = offset / kPageBytes;
  return CopyVerified(ChecksumKey(frame_->key), first, bytes_, frame_->trailer().crcs() + first,
                      to);
}

}  // namespace forebay
