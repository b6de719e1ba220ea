// One request of a Connection from its sending to its last answer. Lives in the frame of whoever
// waits for it.
#pragma once

#include <coroutine>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/runtime/clock.h"
#include "src/wire/codec.h"
#include "src/wire/peer_messages.h"
#include "src/wire/pieces.h"
#include "src/wire/read_messages.h"

namespace forebay::wire {

class Connection;

/// What a connection does with the answers of one request. Runs inside the connection's receiving:
/// never waits.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// The meta is good during the call and while its data come in. Gives where exactly data_size
  /// bytes belong; an error ends the request.
  virtual Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) = 0;
  /// So many of the data's bytes have come.
  virtual Result<void> OnData(size_t) { return {}; }

 protected:
  ~Exchange() = default;

 private:
  friend class Connection;
  uint64_t id_ = 0;
  Instant deadline_ = Instant::Never();
  Connection* connection_ = nullptr;
  CancelListener listener_;
  std::coroutine_handle<> waiter_;
  std::optional<Error> gave_up_;  // while its data are coming in
  std::optional<Result<void>> outcome_;
};

/// Keeps the last answer's meta.
class MetaExchange final : public Exchange {
 public:
  Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) override;
  std::vector<std::byte>& meta() { return meta_; }

 private:
  std::vector<std::byte> meta_;
};

/// Data of one object on their way into memory of the caller, checked as they come.
class ArrivingData {
 public:
  /// kCorrupt where the answer does not fit what was asked.
  Result<MutableBytes> Expect(const VersionId& version, uint32_t block_bytes, uint64_t offset,
                              uint32_t size, MutableBytes into, Bytes crcs);
  Result<void> Check(size_t received);

 private:
  std::optional<PieceVerifier> verifier_;
};

/// An Info that owns its text.
struct OwnedInfo {
  VersionId version;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  uint64_t attachment_id = 0;
  uint32_t fresh_for_ms = 0;
  uint32_t block_bytes = 0;
  std::string etag;
  static OwnedInfo Of(const Info& info);
};

class ReadExchange final : public Exchange {
 public:
  ReadExchange(const VersionId& version, uint32_t block_bytes, uint64_t offset, MutableBytes into)
      : version_(version), block_bytes_(block_bytes), offset_(offset), into_(into) {}
  Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) override;
  Result<void> OnData(size_t received) override { return data_.Check(received); }
  uint32_t size() const { return size_; }

 private:
  VersionId version_;
  uint32_t block_bytes_;
  uint64_t offset_;
  MutableBytes into_;
  uint32_t size_ = 0;
  ArrivingData data_;
};

class PeerReadExchange final : public Exchange {
 public:
  PeerReadExchange(const VersionId& version, uint32_t block_bytes, uint64_t offset,
                   MutableBytes into)
      : version_(version), block_bytes_(block_bytes), offset_(offset), into_(into) {}
  Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) override;
  Result<void> OnData(size_t received) override { return data_.Check(received); }
  uint32_t size() const { return size_; }
  uint32_t elsewhere() const { return elsewhere_; }
  uint32_t or_else() const { return or_else_; }
  std::vector<uint32_t> TakeCrcs() { return std::move(crcs_); }

 private:
  VersionId version_;
  uint32_t block_bytes_;
  uint64_t offset_;
  MutableBytes into_;
  uint32_t size_ = 0;
  uint32_t elsewhere_ = kNoNode;
  uint32_t or_else_ = kNoNode;
  std::vector<uint32_t> crcs_;
  ArrivingData data_;
};

class GetExchange final : public Exchange {
 public:
  GetExchange(uint64_t offset, MutableBytes into) : offset_(offset), into_(into) {}
  Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) override;
  Result<void> OnData(size_t received) override { return data_.Check(received); }
  OwnedInfo& info() { return info_; }
  uint32_t size() const { return size_; }

 private:
  uint64_t offset_;
  MutableBytes into_;
  uint32_t size_ = 0;
  OwnedInfo info_;
  ArrivingData data_;
};

/// One of many objects to get.
struct GetSlot {
  std::string_view path;
  uint64_t offset = 0;
  MutableBytes into;
  /// The bytes read. kInternal until it was answered.
  Result<uint32_t> size = Fail(Code::kInternal, "not answered");
};

class GetManyExchange final : public Exchange {
 public:
  explicit GetManyExchange(std::span<GetSlot> slots) : slots_(slots), answered_(slots.size()) {}
  Result<MutableBytes> OnAnswer(const FrameHeader& header, Bytes meta) override;
  Result<void> OnData(size_t received) override { return data_.Check(received); }

 private:
  std::span<GetSlot> slots_;
  std::vector<bool> answered_;
  ArrivingData data_;
};

}  // namespace forebay::wire
