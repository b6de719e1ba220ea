// One of every message, and a way to go over all of them by name.
#pragma once

#include <string_view>

#include "src/wire/admin_messages.h"
#include "src/wire/codec.h"
#include "src/wire/peer_messages.h"
#include "src/wire/read_messages.h"
#include "src/wire/testing/cell_samples.h"
#include "src/wire/write_messages.h"

namespace forebay::wire {

/// Hands samples on with the headers that they travel with.
template <class Visit>
struct SampleVisitor {
  template <class M>
  void Request(std::string_view name, const M& message, uint32_t data = 0) {
    visit(name, true, FrameHeader{.data_size = data, .request_id = 7, .type = M::kType}, message);
  }
  template <class M>
  void Greeting(std::string_view name, const M& message) {
    visit(name, false, FrameHeader{.type = M::kType}, message);
  }
  template <class M>
  void Answer(std::string_view name, MessageType type, const M& message, uint32_t data = 0,
              uint8_t flags = 0, uint16_t status = 0) {
    visit(name, false,
          FrameHeader{.data_size = data,
                      .request_id = 7,
                      .type = type,
                      .flags = static_cast<uint8_t>(flags | kIsAnswer),
                      .status = status,
                      .queue_depth = 2},
          message);
  }
  Visit& visit;
};

inline Nonce SampleNonce(unsigned first) {
  Nonce nonce;
  for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::byte>(i);
  nonce[0] = static_cast<std::byte>(first);
  return nonce;
}

template <class To>
void SampleGreetings(To& to) {
  const Nonce nonce = SampleNonce(0);
  const Nonce other = SampleNonce(0xff);
  to.Greeting("Hello", Hello{.nonce = nonce, .client = "forebay-0.1.0", .later = {}});
  to.Greeting("Welcome", Welcome{.auth_methods = kAuthToken,
                                 .nonce = other,
                                 .features = kFeatureWindow,
                                 .node_id = {.hi = 1, .lo = 2},
                                 .node_name = "node-a",
                                 .limits = {}});
  to.Greeting("Auth", Auth{.method = kAuthToken, .token_name = "reader", .proof = nonce});
  to.Greeting("Ready", Ready{.proof = nonce});
  to.Greeting("Refused",
              Refused{.status = StatusOf(Code::kUnsupported), .message = "no", .later = {}});
}

template <class To>
void SampleReads(To& to) {
  static constexpr uint32_t kCrcs[] = {0xe3069283, 1};
  const Bytes crcs = std::as_bytes(std::span(kCrcs));
  const Info info = SampleInfo();
  to.Request("Ping", PingRequest{});
  to.Answer("PingAnswer", MessageType::kPing, PingAnswer{});
  to.Request("Cancel", CancelRequest{});
  to.Request("Open", OpenRequest{.path = "/data/a.bin", .if_match = "v1-abc"});
  to.Answer("OpenAnswer", MessageType::kOpen, OpenAnswer{.handle = 65'536, .info = info});
  to.Answer("Error", MessageType::kOpen, ErrorAnswer{.message = "/data/a.bin:gone"}, 0, 0,
            StatusOf(Code::kNotFound));
  to.Request("Close", CloseRequest{.handle = 65'536});
  to.Request("Read", ReadRequest{.handle = 65'536, .offset = 4095, .size = 2});
  to.Answer("ReadAnswer", MessageType::kRead, ReadAnswer{.crcs = crcs}, 2);
  to.Request("Get", GetRequest{.offset = 0, .size = 4096, .path = "/data/a.bin", .if_match = {}});
  to.Answer("GetAnswer", MessageType::kGet, GetAnswer{.info = info, .crcs = crcs.first(4)}, 4096);
  to.Request("GetMany", GetManyRequest{.items = {{.offset = 0, .size = 10, .path = "/data/a"},
                                                 {.offset = 5, .size = 20, .path = "/data/b"}}});
  to.Answer("GetManyAnswer", MessageType::kGetMany,
            GetManyAnswer{.index = 1, .message = {}, .info = info, .crcs = crcs.first(4)}, 20,
            kMoreFollow);
  to.Answer("GetManyEnd", MessageType::kGetMany, GetManyEnd{});
  to.Request("Stat", StatRequest{.path = "/data/a.bin"});
  to.Answer("StatAnswer", MessageType::kStat, info);
  to.Request("List",
             ListRequest{.limit = 100, .path = "/data/x/", .delimiter = "/", .after = "x/b"});
  to.Answer("ListAnswer", MessageType::kList,
            ListAnswer{.more = true,
                       .entries = {{.key = "x/c", .etag = "e", .size = 9, .modified_ns = -1},
                                   {.key = "x/d/", .etag = {}, .is_prefix = true}}});
  to.Request("Fetch", FetchRequest{.handle = kNoHandle, .offset = 1, .size = 0, .path = "/data/a"});
  to.Answer("FetchAnswer", MessageType::kFetch, FetchAnswer{.bytes = 4096});
}

template <class To>
void SampleWrites(To& to) {
  const PutCondition absent{.if_absent = true, .if_match = {}};
  const PutAnswer put{.size = 9, .modified_ns = 1, .etag = "v2"};
  to.Request("Put", PutRequest{.crc = 0xe3069283, .condition = absent, .path = "/data/n"}, 9);
  to.Answer("PutAnswer", MessageType::kPut, put);
  to.Request("PutBegin", PutBeginRequest{.condition = {.if_match = "v1"}, .path = "/data/n"});
  to.Answer("PutBeginAnswer", MessageType::kPutBegin, UploadAnswer{.upload = 1});
  to.Request("PutData", PutDataRequest{.upload = 1, .crc = 0xe3069283, .offset = 0}, 9);
  to.Answer("PutDataAnswer", MessageType::kPutData, Empty{});
  to.Request("PutCommit", PutCommitRequest{.upload = 1, .size = 9});
  to.Answer("PutCommitAnswer", MessageType::kPutCommit, put);
  to.Request("PutAbort", PutAbortRequest{.upload = 1});
  to.Answer("PutAbortAnswer", MessageType::kPutAbort, Empty{});
  to.Request("Delete", DeleteRequest{.condition = {.if_match = {}}, .path = "/data/n"});
  to.Answer("DeleteAnswer", MessageType::kDelete, Empty{});
  to.Request("MultipartCreate", MultipartCreateRequest{.path = "/data/n"});
  to.Answer("MultipartCreateAnswer", MessageType::kMultipartCreate,
            MultipartCreateAnswer{.upload_id = "u-1"});
  to.Request("PartBegin", PartBeginRequest{.number = 2, .path = "/data/n", .upload_id = "u-1"});
  to.Answer("PartBeginAnswer", MessageType::kPartBegin, UploadAnswer{.upload = 2});
  to.Request("MultipartComplete",
             MultipartCompleteRequest{.condition = absent,
                                      .path = "/data/n",
                                      .upload_id = "u-1",
                                      .parts = {{.number = 1, .size = 5, .etag = "p1"},
                                                {.number = 2, .size = 6, .etag = "p2"}}});
  to.Answer("MultipartCompleteAnswer", MessageType::kMultipartComplete, put);
  to.Request("MultipartAbort", MultipartAbortRequest{.path = "/data/n", .upload_id = "u-1"});
  to.Answer("MultipartAbortAnswer", MessageType::kMultipartAbort, Empty{});
}

template <class To>
void SampleAdministration(To& to) {
  const Info info = SampleInfo();
  const AttachmentFields attachment{.id = 3,
                                    .chunk_bytes = 32u << 20,
                                    .read_only = true,
                                    .name = "data",
                                    .origin = "file:///srv/data",
                                    .freshness = "60s",
                                    .allow = "uid:1000"};
  to.Request("Attach", AttachRequest{.attachment = attachment});
  to.Answer("AttachAnswer", MessageType::kAttach, Empty{});
  to.Request("Detach", DetachRequest{.name = "data"});
  to.Answer("DetachAnswer", MessageType::kDetach, Empty{});
  to.Request("Attachments", AttachmentsRequest{});
  to.Answer("AttachmentsAnswer", MessageType::kAttachments, AttachmentsAnswer{{attachment}});
  to.Request("Evict", EvictRequest{.path = "/data/x/"});
  to.Answer("EvictAnswer", MessageType::kEvict, EvictAnswer{.bytes = 1u << 20});
  to.Request("Where", WhereRequest{.path = "/data/a.bin"});
  to.Answer("WhereAnswer", MessageType::kWhere,
            WhereAnswer{.info = info, .memory_bytes = 4096, .disk_bytes = 8192});
  to.Request("Status", StatusRequest{});
  to.Answer("StatusAnswer", MessageType::kStatus, StatusAnswer{.json = "{}"});
  to.Request("Cell", CellRequest{.action = 2});
  to.Answer("CellAnswer", MessageType::kCell, CellAnswer{.text = "epoch 7"});
  to.Request("Window", WindowRequest{.attachment_id = 3, .request = AsBytes("ask")});
  to.Answer("WindowAnswer", MessageType::kWindow, WindowAnswer{.grant = AsBytes("grant")});
  to.Request("WindowSegment", WindowSegmentRequest{.attachment_id = 3, .segment = 1});
  to.Answer("WindowSegmentAnswer", MessageType::kWindowSegment, WindowAnswer{.grant = {}});
}

template <class To>
void SamplePeers(To& to) {
  to.Request("PeerRead", PeerReadRequest{.attachment_id = 3,
                                         .object_size = 5'000'000'000,
                                         .modified_ns = 1'750'000'000'000'000'000,
                                         .offset = 1u << 20,
                                         .until = 32u << 20,
                                         .size = 4096,
                                         .asker = 4,
                                         .flags = kHeldOnly | kOrComing,
                                         .key = "a.bin",
                                         .etag = "v1-abc"});
  to.Answer("PeerReadAnswer", MessageType::kPeerRead,
            PeerReadAnswer{.elsewhere = 11, .crcs = AsBytes("crc4")}, 4096);
  to.Request("PeerReadEither", PeerReadRequest{.attachment_id = 3,
                                               .object_size = 5'000'000'000,
                                               .size = 1u << 20,
                                               .asker = 4,
                                               .flags = kEither,
                                               .key = "a.bin",
                                               .etag = "v1-abc"});
  static constexpr char kSeventh[] = {7, 0, 0, 0};
  to.Answer("PeerReadElsewhereAnswer", MessageType::kPeerRead,
            PeerReadAnswer{.elsewhere = 11, .crcs = AsBytes(std::string_view(kSeventh, 4))});
  to.Request("PeerResolve",
             PeerResolveRequest{.attachment_id = 3, .asker = "node-7", .key = "a.bin"});
  to.Answer("PeerResolveAnswer", MessageType::kPeerResolve,
            PeerResolveAnswer{.exists = true, .info = SampleInfo()});
  to.Request("PeerForget", PeerForgetRequest{.attachment_id = 3, .pass_on = true, .key = "a.bin"});
  to.Answer("PeerForgetAnswer", MessageType::kPeerForget, Empty{});
}

/// Calls `visit(name, is_request, header, message)` for a sample of each message. The header says
/// type, flags, status, id and data size; the message's texts point to literals.
template <class Visit>
void ForEachSample(Visit visit) {
  SampleVisitor<Visit> to{visit};
  SampleGreetings(to);
  SampleReads(to);
  SampleWrites(to);
  SampleAdministration(to);
  SamplePeers(to);
  SampleCell(to);
}

}  // namespace forebay::wire
