// Bodies of simulated HTTP responses that go on for as long as the server likes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "sim/process.h"
#include "sim/sim_http.h"
#include "src/runtime/http.h"

namespace forebay::sim {

/// The server's end: it pushes, the network brings it later, in order. Made by a handler for its
/// reply (SimHttpReply::stream), and kept by the server for as long as it has something to say.
class SimHttpStream {
 public:
  explicit SimHttpStream(World& world) : world_(world) {}

  /// Comes after the server's latency, and only over a link that is whole: one that stays cut for
  /// longer than NetOptions::give_up leaves a reader who hears nothing any more, until his probes
  /// (NetOptions::keep_alive) tell him.
  void Push(std::string bytes);
  /// Nothing comes behind what was pushed.
  void End();
  /// As End, but for the reader the connection breaks there.
  void Break();
  /// The machine is gone without a word: nothing comes any more, not even an end.
  void Silence();
  /// Somebody still holds the response.
  bool read() const { return read_; }

 private:
  friend class SimHttpStreamResponse;
  friend class SimHttp;
  enum class Ending : uint8_t { kNot, kGood, kBroken };
  struct Piece {
    std::string bytes;
    Instant pushed;
    Instant arrival;
  };
  Instant ArrivalNow();
  void WakeReader();

  World& world_;
  HttpServer* server_ = nullptr;  // of the request, once it is answered
  std::deque<Piece> pieces_;
  Instant last_arrival_;
  Instant end_arrival_;
  Ending ending_ = Ending::kNot;
  bool silent_ = false;
  Instant silent_since_;
  bool read_ = true;
  Wait* reader_ = nullptr;
};

/// The reader's end.
class SimHttpStreamResponse final : public HttpResponse {
 public:
  SimHttpStreamResponse(Process& process, SimHttpReply reply)
      : process_(process), reply_(std::move(reply)), stream_(reply_.stream) {}
  ~SimHttpStreamResponse() override { stream_->read_ = false; }

  int status() const override { return reply_.status; }
  std::string_view Header(std::string_view name) const override {
    return FindHeader(reply_.headers, name);
  }
  const std::vector<HttpHeader>& headers() const override { return reply_.headers; }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;

 private:
  /// Until something new can be said, or the call's end.
  Task<Result<void>> WaitFor(Instant until, Call call);
  bool LinkCut() const;
  /// Until the probes of a silent connection have told.
  Task<Result<void>> Probe(Call call);

  Process& process_;
  const SimHttpReply reply_;
  const std::shared_ptr<SimHttpStream> stream_;
};

}  // namespace forebay::sim
