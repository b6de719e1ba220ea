// HTTP servers of the simulated world, and Http for its nodes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/fault_report.h"
#include "sim/options.h"
#include "sim/process.h"
#include "src/base/prng.h"
#include "src/runtime/http.h"

namespace forebay::sim {

/// The bytes [offset, offset + into.size()) of the endless sequence that `tag` names: contents of
/// any size that nobody has to store.
void TagBytes(uint64_t tag, uint64_t offset, MutableBytes into);

/// A body: bytes, or a piece of a tagged sequence.
class SimBody {
 public:
  SimBody() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a text is a body
  SimBody(std::string bytes) : bytes_(std::move(bytes)), size_(bytes_.size()) {}
  static SimBody Tagged(uint64_t tag, uint64_t offset, uint64_t size);

  uint64_t size() const { return size_; }
  void CopyTo(uint64_t from, MutableBytes into) const;
  void Truncate(uint64_t size) { size_ = std::min(size_, size); }

 private:
  std::string bytes_;
  std::optional<uint64_t> tag_;
  uint64_t offset_ = 0;
  uint64_t size_ = 0;
};

/// The header's value, empty where it is absent; names compare without case.
std::string_view FindHeader(const std::vector<HttpHeader>& headers, std::string_view name);

struct SimHttpRequest {
  std::string method;
  std::string url;
  std::string path;  // what follows the server's base
  std::vector<HttpHeader> headers;
  std::string body;
};

class SimHttpStream;

struct SimHttpReply {
  int status = 200;
  std::vector<HttpHeader> headers;  // Content-Length is added where it is absent
  SimBody body;
  std::shared_ptr<SimHttpStream> stream = nullptr;  // in the place of a body (sim_http_stream.h)
};

/// Decides at one moment; latency and misbehaviour are added around it.
using HttpHandler = std::function<SimHttpReply(const SimHttpRequest&)>;

enum class HttpFault : uint8_t {
  kConnectFailure,
  kError500,
  kError503,
  kStall,
  kResetInBody,
  kShortBody,
  kOtherEtag,
  kSlowDrip,
  kLostReply,
};
inline constexpr size_t kHttpFaultKinds = 9;

class HttpServer {
 public:
  HttpServer(HttpHandler handler, const HttpOptions& options)
      : handler_(std::move(handler)), options_(options) {}

  /// Nobody answers while it is down.
  void SetDown(bool down) { down_ = down; }
  void SetOptions(const HttpOptions& options) { options_ = options; }
  /// It runs there: what is cut off from that machine cannot speak with it.
  void HostOn(const Node& host) { host_ = &host; }
  /// The next request meets this fault.
  void FailNext(HttpFault fault) { ++wanted_[static_cast<size_t>(fault)]; }
  /// How often the handler was asked.
  uint64_t handled() const { return handled_; }

 private:
  friend class HttpWorld;
  friend class SimHttp;
  friend class SimHttpStream;
  friend class SimHttpStreamResponse;
  HttpHandler handler_;
  HttpOptions options_;
  bool down_ = false;
  const Node* host_ = nullptr;
  std::array<uint32_t, kHttpFaultKinds> wanted_{};
  uint64_t handled_ = 0;
};

/// Servers by the base of their URLs ("https://blob", "http://etcd:2379/v3").
class HttpWorld {
 public:
  explicit HttpWorld(World& world);

  HttpServer& Add(std::string base, HttpHandler handler);

  // ---- For SimHttp.

  /// The server with the longest base that the URL begins with, or null.
  HttpServer* Find(std::string_view url, std::string_view* path);
  /// What the server answers, its faults included.
  SimHttpReply Reply(HttpServer& server, const SimHttpRequest& request);
  /// Draws; counts.
  bool Fires(HttpServer& server, HttpFault fault);
  Prng& prng() { return prng_; }

 private:
  World& world_;
  Prng prng_;
  std::array<FaultCount*, kHttpFaultKinds> counts_;
  std::map<std::string, std::unique_ptr<HttpServer>> servers_;
};

class SimHttp final : public Http {
 public:
  explicit SimHttp(Process& process) : process_(process) {}
  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) override;

 private:
  struct Exchange;
  /// Whether anything gets to `server`, or nowhere where that is null.
  bool CutOff(const HttpServer* server) const;
  /// Nothing comes back: the connection stays silent until somebody gives it up.
  Task<Result<std::unique_ptr<HttpResponse>>> NoAnswer(std::string url, Call call);
  Task<Result<std::unique_ptr<HttpResponse>>> Answer(Exchange exchange, Call call);

  Process& process_;
};

}  // namespace forebay::sim
