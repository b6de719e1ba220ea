// How drivers speak with stores that speak HTTP: the one layer that signs, waits for its turn,
// tries again, hedges and gives up. A driver says what it wants and what an answer means; sockets
// are below the Http seam. So all of this runs in simulation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/origin/http/lanes.h"
#include "src/origin/origin.h"
#include "src/runtime/env.h"

namespace forebay::http_origin {

/// Adds what proves who we are. One per origin or shared by several; used from the node's loop.
class Signer {
 public:
  virtual ~Signer() = default;
  /// Changes headers or the URL's query; may fetch or renew a token first. Called anew for every
  /// try, because signatures carry the time. Errors name where credentials were looked for, never
  /// what was found.
  virtual Task<Result<void>> Sign(Env& env, HttpRequest& request, Call call) = 0;
  /// The store refused what Sign made (401, 403, an expired token): true if looking again may help,
  /// which makes the request worth one more try.
  virtual bool Refused() { return false; }
  /// For people: "environment variables", "workload identity of client 1234…". No secret.
  virtual std::string Describe() const = 0;
};

/// What a failed answer means. Made from the service's own words: code, message, request id.
struct Refusal {
  Error error;
  bool slow_down = false;        // 503, 429, SlowDown, ServerBusy: of the store, not of the request
  bool credentials = false;      // worth asking Signer::Refused
  std::optional<Duration> wait;  // it asked for as much
};

/// The service's side of a failed answer: the beginning of its body at most.
using Explain =
    std::function<Refusal(int status, const HttpResponse& response, std::string_view body)>;

/// "GET https://host/path": without the query, which may be a signature.
std::string NameOf(const HttpRequest& request);
/// Behind that name, which what failed below may have said already.
Error ErrorOf(const HttpRequest& request, const Error& error);

struct FetchRequest {
  HttpRequest http;  // unsigned; absolute URL, percent-encoded
  /// Whether it may be sent again though it may have happened: reads, and writes that come to the
  /// same when they are done twice.
  bool repeatable = true;
  /// A second one may go out while the first is silent; the first answer counts.
  bool hedged = false;
  Lane* lane = nullptr;  // whose turn it takes; outlives the call
  std::string object;    // what the store limits by itself within that lane; "": nothing
};

/// What the head of an answer calls the state of the object: not empty.
using StateNameOf = std::function<std::string(const HttpResponse& response)>;

struct FetcherOptions {
  uint32_t max_tries = 5;  // of one request, where the store did not ask to slow down
  Duration first_pause = std::chrono::milliseconds(50);  // doubles, with full jitter
  Duration longest_pause = std::chrono::seconds(5);
  /// A repeatable request without a body whose answer's head does not come for so long is given up
  /// for another one.
  Duration try_timeout = std::chrono::seconds(15);
  /// A hedge comes no sooner, and a body is not called silent sooner.
  Duration least_hedge_delay = std::chrono::milliseconds(5);
  Duration least_silence = std::chrono::milliseconds(50);
  Duration most_silence = std::chrono::seconds(5);
  uint64_t max_error_body_bytes = 16 << 10;
  StateNameOf state_name;    // null: the ETag without its quotes
  std::string crc64_header;  // where answers to ranges tell the CRC64 of their bytes, in base64
  std::string id_header;     // where the service takes a name for each request of ours
};

/// Used from the node's loop, which it must outlive. One per origin; turns and budgets are those of
/// the lane, which is shared by all that speak with the same account.
class Fetcher {
 public:
  Fetcher(std::shared_ptr<Signer> signer, Explain explain, FetcherOptions options = {});
  ~Fetcher();

  /// A response with a status below 300, whose body has not been read. Requests that were told to
  /// slow down wait in their lane and are tried until the deadline; others as often as the options
  /// and the retry budget allow. Errors name method, URL without its query, and the service's
  /// words.
  Task<Result<std::unique_ptr<HttpResponse>>> Send(Env& env, FetchRequest request, Call call);
  /// The same, and the whole body, of at most `most` bytes (kCorrupt beyond): listings, errors.
  struct Whole {
    int status = 0;
    std::vector<HttpHeader> headers;
    std::string body;
    std::string_view Header(std::string_view name) const;
  };
  Task<Result<Whole>> SendWhole(Env& env, FetchRequest request, uint64_t most, Call call);

  /// A ranged read that survives its connection: where the body breaks or is silent for much longer
  /// than answers usually take, the rest is asked for again with If-Match. `make` gives the request
  /// for a range of the version `if_match` ("": whatever is there now). What fails later begins
  /// with `name`.
  using MakeGet =
      std::function<FetchRequest(uint64_t offset, uint64_t size, const std::string& if_match)>;
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string name, MakeGet make,
                                                GetOptions options, Call call);

  Signer& signer() { return *signer_; }
  const Signer& signer() const { return *signer_; }

 private:
  friend class FetchBody;

  /// A response, or why there is none.
  struct Outcome {
    std::unique_ptr<HttpResponse> response;
    int status = 0;  // 0: no answer at all
    std::optional<Refusal> refusal;
    std::string content_range;  // of a refusal
    Error error() const { return refusal->error; }
  };
  /// What one request has cost so far.
  struct Tries {
    uint32_t failures = 0;
    uint32_t slow_downs = 0;
    bool looked_again = false;  // for credentials
  };
  struct Race;

  Task<Outcome> Persist(Env& env, FetchRequest request, Call call);
  Task<Outcome> SendOnce(Env& env, const FetchRequest& request, Turn turn, Call call);
  Task<Outcome> SendHedged(Env& env, const FetchRequest& request, Turn turn, Call call);
  Task<void> RunIn(Env& env, const FetchRequest& request, Turn turn, Call call, Race* race,
                   int index);
  Task<Outcome> Refused(Env& env, const FetchRequest& request, Turn turn,
                        std::unique_ptr<HttpResponse> response, Call call);
  std::optional<Duration> PauseBefore(Env& env, const FetchRequest& request, const Outcome& outcome,
                                      Tries* tries, Call call);
  /// Whether something that failed may be begun again, and when; pays for it.
  std::optional<Duration> PauseToRepeat(Env& env, Lane& lane, uint32_t failures, Call call);
  Duration Jittered(Env& env, uint32_t times) const;
  Lane& LaneOf(const FetchRequest& request) {
    return request.lane != nullptr ? *request.lane : own_lane_;
  }

  const std::shared_ptr<Signer> signer_;
  const Explain explain_;
  const FetcherOptions options_;
  Lane own_lane_;  // of requests that name none
};

}  // namespace forebay::http_origin
