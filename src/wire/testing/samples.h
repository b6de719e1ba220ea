// One of every message, and a way to go over all of them by name.
#pragma once

#include <string_view>

#include "src/wire/admin_messages.h"
#include "src/wire/codec.h"
#include "src/wire/read_messages.h"
#include "src/wire/write_messages.h"

namespace forebay::wire {

/// Calls `visit(name, is_request, header, message)` for a sample of each message. The header says
/// type, flags, status, id and data size; the message's texts point to literals.
template <class Visit>
void ForEachSample(Visit visit) {
  Nonce nonce;
  for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::byte>(i);
  Nonce other = nonce;
  other[0] = std::byte{0xff};
  static constexpr uint32_t kCrcs[] = {0xe3069283, 1};
  const Bytes crcs = std::as_bytes(std::span(kCrcs));
  const Info info{.version = {{.hi = 0x0123456789abcdef, .lo = 0xfedcba9876543210}},
                  .size = 5'000'000'000,
                  .modified_ns = 1'750'000'000'000'000'000,
                  .attachment_id = 3,
                  .fresh_for_ms = 60'000,
                  .block_bytes = 1u << 20,
                  .etag = "v1-abc"};
  const auto request = [&](std::string_view name, const auto& message, uint32_t data = 0) {
    using M = std::decay_t<decltype(message)>;
    visit(name, true, FrameHeader{.data_size = data, .request_id = 7, .type = M::kType}, message);
  };
  const auto greeting = [&](std::string_view name, const auto& message) {
    using M = std::decay_t<decltype(message)>;
    visit(name, false, FrameHeader{.type = M::kType}, message);
  };
  const auto answer = [&](std::string_view name, MessageType type, const auto& message,
                          uint32_t data = 0, uint8_t flags = 0, uint16_t status = 0) {
    visit(name, false,
          FrameHeader{.data_size = data,
                      .request_id = 7,
                      .type = type,
                      .flags = static_cast<uint8_t>(flags | kIsAnswer),
                      .status = status,
                      .queue_depth = 2},
          message);
  };

  greeting("Hello", Hello{.nonce = nonce, .client = "forebay-0.1.0", .later = {}});
  greeting("Welcome", Welcome{.auth_methods = kAuthToken,
                              .nonce = other,
                              .features = kFeatureWindow,
                              .node_id = {.hi = 1, .lo = 2},
                              .node_name = "node-a",
                              .limits = {}});
  greeting("Auth", Auth{.method = kAuthToken, .token_name = "reader", .proof = nonce});
  greeting("Ready", Ready{.proof = nonce});
  greeting("Refused",
           Refused{.status = StatusOf(Code::kUnsupported), .message = "no", .later = {}});

  request("Ping", PingRequest{});
  answer("PingAnswer", MessageType::kPing, PingAnswer{});
  request("Cancel", CancelRequest{});
  request("Open", OpenRequest{.path = "/data/a.bin", .if_match = "v1-abc"});
  answer("OpenAnswer", MessageType::kOpen, OpenAnswer{.handle = 65'536, .info = info});
  answer("Error", MessageType::kOpen, ErrorAnswer{.message = "/data/a.bin:gone"}, 0, 0,
         StatusOf(Code::kNotFound));
  request("Close", CloseRequest{.handle = 65'536});
  request("Read", ReadRequest{.handle = 65'536, .offset = 4095, .size = 2});
  answer("ReadAnswer", MessageType::kRead, ReadAnswer{.crcs = crcs}, 2);
  request("Get", GetRequest{.offset = 0, .size = 4096, .path = "/data/a.bin", .if_match = {}});
  answer("GetAnswer", MessageType::kGet, GetAnswer{.info = info, .crcs = crcs.first(4)}, 4096);
  request("GetMany", GetManyRequest{.items = {{.offset = 0, .size = 10, .path = "/data/a"},
                                              {.offset = 5, .size = 20, .path = "/data/b"}}});
  answer("GetManyAnswer", MessageType::kGetMany,
         GetManyAnswer{.index = 1, .message = {}, .info = info, .crcs = crcs.first(4)}, 20,
         kMoreFollow);
  answer("GetManyEnd", MessageType::kGetMany, GetManyEnd{});
  request("Stat", StatRequest{.path = "/data/a.bin"});
  answer("StatAnswer", MessageType::kStat, info);
  request("List", ListRequest{.limit = 100, .path = "/data/x/", .delimiter = "/", .after = "x/b"});
  answer("ListAnswer", MessageType::kList,
         ListAnswer{.more = true,
                    .entries = {{.key = "x/c", .etag = "e", .size = 9, .modified_ns = -1},
                                {.key = "x/d/", .etag = {}, .is_prefix = true}}});
  request("Fetch", FetchRequest{.handle = kNoHandle, .offset = 1, .size = 0, .path = "/data/a"});
  answer("FetchAnswer", MessageType::kFetch, FetchAnswer{.bytes = 4096});

  const PutCondition absent{.if_absent = true, .if_match = {}};
  const PutAnswer put{.size = 9, .modified_ns = 1, .etag = "v2"};
  request("Put", PutRequest{.crc = 0xe3069283, .condition = absent, .path = "/data/n"}, 9);
  answer("PutAnswer", MessageType::kPut, put);
  request("PutBegin", PutBeginRequest{.condition = {.if_match = "v1"}, .path = "/data/n"});
  answer("PutBeginAnswer", MessageType::kPutBegin, UploadAnswer{.upload = 1});
  request("PutData", PutDataRequest{.upload = 1, .crc = 0xe3069283, .offset = 0}, 9);
  answer("PutDataAnswer", MessageType::kPutData, Empty{});
  request("PutCommit", PutCommitRequest{.upload = 1, .size = 9});
  answer("PutCommitAnswer", MessageType::kPutCommit, put);
  request("PutAbort", PutAbortRequest{.upload = 1});
  answer("PutAbortAnswer", MessageType::kPutAbort, Empty{});
  request("Delete", DeleteRequest{.condition = {.if_match = {}}, .path = "/data/n"});
  answer("DeleteAnswer", MessageType::kDelete, Empty{});
  request("MultipartCreate", MultipartCreateRequest{.path = "/data/n"});
  answer("MultipartCreateAnswer", MessageType::kMultipartCreate,
         MultipartCreateAnswer{.upload_id = "u-1"});
  request("PartBegin", PartBeginRequest{.number = 2, .path = "/data/n", .upload_id = "u-1"});
  answer("PartBeginAnswer", MessageType::kPartBegin, UploadAnswer{.upload = 2});
  request("MultipartComplete",
          MultipartCompleteRequest{.condition = absent,
                                   .path = "/data/n",
                                   .upload_id = "u-1",
                                   .parts = {{.number = 1, .size = 5, .etag = "p1"},
                                             {.number = 2, .size = 6, .etag = "p2"}}});
  answer("MultipartCompleteAnswer", MessageType::kMultipartComplete, put);
  request("MultipartAbort", MultipartAbortRequest{.path = "/data/n", .upload_id = "u-1"});
  answer("MultipartAbortAnswer", MessageType::kMultipartAbort, Empty{});

  const AttachmentFields attachment{.id = 3,
                                    .chunk_bytes = 32u << 20,
                                    .read_only = true,
                                    .name = "data",
                                    .origin = "file:///srv/data",
                                    .freshness = "60s",
                                    .allow = "uid:1000"};
  request("Attach", AttachRequest{.attachment = attachment});
  answer("AttachAnswer", MessageType::kAttach, Empty{});
  request("Detach", DetachRequest{.name = "data"});
  answer("DetachAnswer", MessageType::kDetach, Empty{});
  request("Attachments", AttachmentsRequest{});
  answer("AttachmentsAnswer", MessageType::kAttachments, AttachmentsAnswer{{attachment}});
  request("Evict", EvictRequest{.path = "/data/x/"});
  answer("EvictAnswer", MessageType::kEvict, EvictAnswer{.bytes = 1u << 20});
  request("Where", WhereRequest{.path = "/data/a.bin"});
  answer("WhereAnswer", MessageType::kWhere,
         WhereAnswer{.info = info, .memory_bytes = 4096, .disk_bytes = 8192});
  request("Status", StatusRequest{});
  answer("StatusAnswer", MessageType::kStatus, StatusAnswer{.json = "{}"});
  request("Window", WindowRequest{.attachment_id = 3, .request = AsBytes("ask")});
  answer("WindowAnswer", MessageType::kWindow, WindowAnswer{.grant = AsBytes("grant")});
  request("WindowSegment", WindowSegmentRequest{.attachment_id = 3, .segment = 1});
  answer("WindowSegmentAnswer", MessageType::kWindowSegment, WindowAnswer{.grant = {}});
}

}  // namespace forebay::wire
