#include "src/wire/codec.h"

#include <fmt/format.h>

namespace forebay::wire {

Error DecodeError(MessageType type, const FieldReader& reader) {
  return Error(Code::kInvalidArgument,
               reader.ok() ? fmt::format("{}: {} bytes too many", NameOf(type), reader.left())
                           : fmt::format("{}: bad field {}", NameOf(type), reader.fault()));
}

void SealFrame(FrameHeader header, MutableBytes frame, size_t meta_size) {
  header.meta_size = static_cast<uint32_t>(meta_size);
  header.meta_crc = FrameCrc(frame.subspan(kHeaderBytes, meta_size));
  EncodeHeader(header, frame.data());
}

Error ErrorOf(const FrameHeader& header, Bytes meta) {
  auto answer = DecodeMeta<ErrorAnswer>(header.type, meta);
  if (!answer) return Error(Code::kCorrupt, answer.error().message());
  return Error(CodeOf(header.status), std::string(answer->message));
}

size_t EncodeErrorAnswer(MutableBytes into, const FrameHeader& request, uint16_t queue_depth,
                         const Error& error, uint8_t flags) {
  const std::string_view message = error.message();
  return EncodeFrame(into,
                     {.request_id = request.request_id,
                      .type = request.type,
                      .flags = static_cast<uint8_t>(flags | kIsAnswer),
                      .status = StatusOf(error.code()),
                      .queue_depth = queue_depth},
                     ErrorAnswer{.message = message.substr(0, kMaxErrorBytes)});
}

Result<RequestHead> DecodeHead(const FrameHeader& header, Bytes meta, Bytes* rest) {
  FieldReader reader(meta);
  RequestHead head;
  RequestHead::Fields(reader, head);
  if (!reader.ok()) return Fail(DecodeError(header.type, reader));
  *rest = meta.last(reader.left());
  return head;
}

}  // namespace forebay::wire
