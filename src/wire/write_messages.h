// Writing, write-through: an answer means that the origin has it. Data travel behind the meta of
// Put and PutData, with a CRC32C (FrameCrc) of their own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/wire/messages.h"

namespace forebay::wire {

inline constexpr size_t kMaxParts = 10'000;

/// What must hold for a write to happen.
struct PutCondition {
  bool if_absent = false;
  std::string_view if_match;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Flag("if_absent", m.if_absent);
    v.Text("if_match", m.if_match, kMaxEtagBytes);
  }
};

/// What was written.
struct PutAnswer {
  uint64_t size = 0;
  int64_t modified_ns = 0;
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("size", m.size);
    v.Number("modified_ns", m.modified_ns);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};

/// A whole object of at most Limits::max_put_bytes.
struct PutRequest {
  static constexpr MessageType kType = MessageType::kPut;
  uint32_t crc = 0;
  PutCondition condition;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("crc", m.crc);
    PutCondition::Fields(v, m.condition);
    v.Text("path", m.path, kMaxPathBytes);
  }
};

struct PutBeginRequest {
  static constexpr MessageType kType = MessageType::kPutBegin;
  PutCondition condition;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    PutCondition::Fields(v, m.condition);
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct UploadAnswer {
  uint32_t upload = 0;  // of this connection; it dies with it
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("upload", m.upload);
  }
};

/// The next bytes of an upload. Answered (Empty) when the origin's driver took them; at most
/// Limits::put_window_bytes may be on their way. After an error the upload can only be aborted.
struct PutDataRequest {
  static constexpr MessageType kType = MessageType::kPutData;
  uint32_t upload = 0;
  uint32_t crc = 0;
  uint64_t offset = 0;  // of these bytes within the upload: what is out of order is refused
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("upload", m.upload);
    v.Number("crc", m.crc);
    v.Number("offset", m.offset);
  }
};

/// Ends the upload, whatever its answer (PutAnswer). May be sent while data are on their way.
struct PutCommitRequest {
  static constexpr MessageType kType = MessageType::kPutCommit;
  uint32_t upload = 0;
  uint64_t size = 0;  // in all, so that a lost message cannot shorten an object
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("upload", m.upload);
    v.Number("size", m.size);
  }
};
struct PutAbortRequest {
  static constexpr MessageType kType = MessageType::kPutAbort;
  uint32_t upload = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("upload", m.upload);
  }
};

struct DeleteRequest {
  static constexpr MessageType kType = MessageType::kDelete;
  PutCondition condition;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    PutCondition::Fields(v, m.condition);
    v.Text("path", m.path, kMaxPathBytes);
  }
};

struct MultipartCreateRequest {
  static constexpr MessageType kType = MessageType::kMultipartCreate;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct MultipartCreateAnswer {
  std::string_view upload_id;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("upload_id", m.upload_id, kMaxUploadIdBytes);
  }
};

/// Answered by UploadAnswer; the PutCommit of it is answered by the part's etag and size.
struct PartBeginRequest {
  static constexpr MessageType kType = MessageType::kPartBegin;
  uint32_t number = 0;  // from 1
  std::string_view path;
  std::string_view upload_id;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("number", m.number);
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("upload_id", m.upload_id, kMaxUploadIdBytes);
  }
};

struct Part {
  uint32_t number = 0;
  uint64_t size = 0;
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("number", m.number);
    v.Number("size", m.size);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};
/// Answered by PutAnswer.
struct MultipartCompleteRequest {
  static constexpr MessageType kType = MessageType::kMultipartComplete;
  PutCondition condition;
  std::string_view path;
  std::string_view upload_id;
  std::vector<Part> parts;  // in ascending order
  template <class V, class M>
  static void Fields(V& v, M& m) {
    PutCondition::Fields(v, m.condition);
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("upload_id", m.upload_id, kMaxUploadIdBytes);
    v.List("parts", m.parts, kMaxParts);
  }
};
struct MultipartAbortRequest {
  static constexpr MessageType kType = MessageType::kMultipartAbort;
  std::string_view path;
  std::string_view upload_id;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("upload_id", m.upload_id, kMaxUploadIdBytes);
  }
};

}  // namespace forebay::wire
