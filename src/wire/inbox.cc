#include "src/wire/inbox.h"

namespace forebay::wire {

Result<bool> Inbox::Parse() {
  const Bytes bytes = unread();
  if (bytes.size() < kHeaderBytes) return false;
  if (!header_) {
    FB_ASSIGN(header_, DecodeHeader(bytes.first<kHeaderBytes>()));
  }
  if (bytes.size() - kHeaderBytes < header_->meta_size) return false;
  FB_TRY(CheckMeta(*header_, meta()));
  return true;
}

}  // namespace forebay::wire
