#include "src/wire/exchange.h"

#include <fmt/format.h>

namespace forebay::wire {

Result<MutableBytes> MetaExchange::OnAnswer(const FrameHeader& header, Bytes meta) {
  if (header.status != kStatusOk) return Fail(ErrorOf(header, meta));
  if (header.data_size > 0) {
    return Fail(Code::kCorrupt, fmt::format("{}: data where none belong", NameOf(header.type)));
  }
  meta_.assign(meta.begin(), meta.end());
  return MutableBytes{};
}

Result<MutableBytes> ArrivingData::Expect(const VersionId& version, uint32_t block_bytes,
                                          uint64_t offset, uint32_t size, MutableBytes into,
                                          Bytes crcs) {
  verifier_.reset();
  if (size > into.size() || !PieceVerifier::Fits(block_bytes, offset, size, crcs)) {
    return Fail(Code::kCorrupt, fmt::format("an answer of {} bytes with {} of checksums does not "
                                            "fit the {} bytes that were asked for",
                                            size, crcs.size(), into.size()));
  }
  into = into.first(size);
  verifier_.emplace(version, block_bytes, offset, into, crcs);
  return into;
}

Result<void> ArrivingData::Check(size_t received) {
  if (!verifier_ || verifier_->Check(received)) return {};
  verifier_.reset();
  return Fail(Code::kCorrupt, "data from the node do not match their checksums");
}

OwnedInfo OwnedInfo::Of(const Info& info) {
  return {.version = info.version,
          .size = info.size,
          .modified_ns = info.modified_ns,
          .attachment_id = info.attachment_id,
          .fresh_for_ms = info.fresh_for_ms,
          .block_bytes = info.block_bytes,
          .etag = std::string(info.etag)};
}

Result<MutableBytes> ReadExchange::OnAnswer(const FrameHeader& header, Bytes meta) {
  FB_ASSIGN(const ReadAnswer answer, DecodeAnswer<ReadAnswer>(header, meta));
  size_ = header.data_size;
  return data_.Expect(version_, block_bytes_, offset_, size_, into_, answer.crcs);
}

Result<MutableBytes> PeerReadExchange::OnAnswer(const FrameHeader& header, Bytes meta) {
  FB_ASSIGN(const PeerReadAnswer answer, DecodeAnswer<PeerReadAnswer>(header, meta));
  elsewhere_ = answer.elsewhere;
  size_ = header.data_size;
  if (elsewhere_ != kNoNode && size_ == 0) {
    if (answer.crcs.size() == sizeof(uint32_t)) or_else_ = LoadFrom<uint32_t>(answer.crcs.data());
    return MutableBytes{};
  }
  crcs_.resize(answer.crcs.size() / sizeof(uint32_t));
  for (size_t i = 0; i < crcs_.size(); ++i) {
    crcs_[i] = LoadFrom<uint32_t>(answer.crcs.data() + i * sizeof(uint32_t));
  }
  return data_.Expect(version_, block_bytes_, offset_, size_, into_, answer.crcs);
}

Result<MutableBytes> GetExchange::OnAnswer(const FrameHeader& header, Bytes meta) {
  FB_ASSIGN(const GetAnswer answer, DecodeAnswer<GetAnswer>(header, meta));
  info_ = OwnedInfo::Of(answer.info);
  size_ = header.data_size;
  return data_.Expect(info_.version, info_.block_bytes, offset_, size_, into_, answer.crcs);
}

Result<MutableBytes> GetManyExchange::OnAnswer(const FrameHeader& header, Bytes meta) {
  if (!header.more_follow()) {
    FB_TRY(DecodeAnswer<GetManyEnd>(header, meta));
    return MutableBytes{};
  }
  FB_ASSIGN(const GetManyAnswer answer, DecodeAnswer<GetManyAnswer>(header, meta));
  if (answer.index >= slots_.size() || answered_[answer.index]) {
    return Fail(Code::kCorrupt, fmt::format("GetMany: an answer for item {}", answer.index));
  }
  answered_[answer.index] = true;
  GetSlot& slot = slots_[answer.index];
  if (answer.status != kStatusOk) {
    slot.size = Fail(CodeOf(answer.status), std::string(answer.message));
    return data_.Expect({}, kPageBytes, 0, header.data_size, {}, {});
  }
  slot.size = header.data_size;
  return data_.Expect(answer.info.version, answer.info.block_bytes, slot.offset, header.data_size,
                      slot.into, answer.crcs);
}

}  // namespace forebay::wire
