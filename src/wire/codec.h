// Messages to frames and back.
//
//   size_t size = EncodeRequest(buffer, id, {.deadline_ms = 500}, OpenRequest{.path = "/a/b"});
//   auto answer = DecodeAnswer<OpenAnswer>(header, meta);
#pragma once

#include <string>

#include "src/wire/messages.h"

namespace forebay::wire {

Error DecodeError(MessageType type, const FieldReader& reader);
/// Fills in sizes and checksums and writes the header before the meta that lies in `frame`.
void SealFrame(FrameHeader header, MutableBytes frame, size_t meta_size);
/// What an answer with a status other than 0 says; kCorrupt where its meta is malformed.
Error ErrorOf(const FrameHeader& header, Bytes meta);

/// Header and meta into `into`; the bytes used, 0 where they do not fit or a field is over its
/// limit. `header` gives type, flags, request id, status, queue depth and data size.
template <class... Parts>
size_t EncodeFrame(MutableBytes into, const FrameHeader& header, const Parts&... parts) {
  if (into.size() < kHeaderBytes) return 0;
  FieldWriter writer(into.subspan(kHeaderBytes));
  (Parts::Fields(writer, parts), ...);
  if (!writer.ok() || writer.size() > kMaxMetaBytes) return 0;
  SealFrame(header, into, writer.size());
  return kHeaderBytes + writer.size();
}

/// A message of the handshake.
template <class M>
size_t EncodeHandshake(MutableBytes into, const M& message) {
  return EncodeFrame(into, {.type = M::kType}, message);
}

template <class M>
size_t EncodeRequest(MutableBytes into, uint64_t id, const RequestHead& head, const M& request,
                     uint32_t data_size = 0, uint8_t flags = 0) {
  return EncodeFrame(into,
                     {.data_size = data_size, .request_id = id, .type = M::kType, .flags = flags},
                     head, request);
}

/// `request` is the header of the request that is answered.
template <class M>
size_t EncodeAnswer(MutableBytes into, const FrameHeader& request, uint16_t queue_depth,
                    const M& answer, uint32_t data_size = 0, uint8_t flags = 0) {
  return EncodeFrame(into,
                     {.data_size = data_size,
                      .request_id = request.request_id,
                      .type = request.type,
                      .flags = static_cast<uint8_t>(flags | kIsAnswer),
                      .queue_depth = queue_depth},
                     answer);
}

size_t EncodeErrorAnswer(MutableBytes into, const FrameHeader& request, uint16_t queue_depth,
                         const Error& error, uint8_t flags = 0);

/// kInvalidArgument names the message and the field that is missing, too long or not as it should
/// be; what follows the last field is refused too. `meta` was checked (CheckMeta).
template <class M>
Result<M> DecodeMeta(MessageType type, Bytes meta) {
  FieldReader reader(meta);
  M message;
  M::Fields(reader, message);
  if (!reader.ok() || reader.left() > 0) return Fail(DecodeError(type, reader));
  return message;
}

/// The head of a request's meta; `rest` is its message.
Result<RequestHead> DecodeHead(const FrameHeader& header, Bytes meta, Bytes* rest);

/// The answer, or the error that it is.
template <class M>
Result<M> DecodeAnswer(const FrameHeader& header, Bytes meta) {
  if (header.status != kStatusOk) return Fail(ErrorOf(header, meta));
  return DecodeMeta<M>(header.type, meta);
}

}  // namespace forebay::wire
