// Questions to the endpoints of one etcd: the one layer that authenticates, tries again, moves on
// to another endpoint and gives up. What is asked and what an answer means stands above it, sockets
// below the Http seam.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/registry/etcd/etcd_url.h"
#include "src/registry/etcd/gateway.h"
#include "src/runtime/env.h"
#include "src/runtime/sync.h"

namespace forebay::etcd {

/// Of the process, where ?credentials=env:NAME is looked up.
using Variables = std::map<std::string, std::string, std::less<>>;

struct EtcdOptions {
  /// Of a call without a deadline of its own.
  Duration patience = std::chrono::seconds(30);
  /// One try of what may be tried again elsewhere; half of what is left where that is less. Doubles
  /// a few times when nobody answers.
  Duration try_timeout = std::chrono::seconds(3);
  /// One try of what may not. Longer than etcd itself waits for its quorum (7 s).
  Duration write_timeout = std::chrono::seconds(10);
  /// What may not be tried again goes only to an endpoint that has answered within so long; another
  /// one is asked something harmless first.
  Duration fresh_endpoint = std::chrono::seconds(1);
  /// After each round over the endpoints; doubles, with jitter.
  Duration first_pause = std::chrono::milliseconds(50);
  Duration longest_pause = std::chrono::seconds(2);
  /// Opening a watch, twice as long after each failure: a whole cell may do so at once. It ends
  /// sooner where the endpoint is left.
  Duration open_timeout = std::chrono::seconds(15);
  /// A watch whose endpoint has answered nothing for so long asks it something.
  Duration quiet_endpoint = std::chrono::seconds(20);
  /// A watch that has heard nothing for so long is opened anew. Etcd tells its progress every 10
  /// minutes (--experimental-watch-progress-notify-interval).
  Duration quiet_watch = std::chrono::minutes(12);
  /// Streams that were open while nothing came from their endpoint for so long, though it was
  /// asked, are opened anew when it answers again. They may be well; but a network that was cut
  /// leaves TCP waiting for its next try for as long again as it was cut, and a machine that died
  /// leaves streams that never end.
  Duration long_silence = std::chrono::seconds(8);
};

struct Question {
  std::string_view path;
  std::string body;
  /// What came may be asked again though it may have happened.
  bool repeatable = true;
  /// Repeating does no harm, but the connection must not do it unseen: the caller looks at
  /// `doubted`.
  bool once = false;
  /// Where not null: an earlier try than the last may have done it already. Lives as long as Ask.
  bool* doubted = nullptr;
  /// Takes the answer's body; kCorrupt where it is none.
  std::function<Result<void>(std::string_view body)> accept;
};

/// A response whose body goes on for long.
struct OpenStream {
  size_t endpoint = 0;
  std::unique_ptr<HttpResponse> response;
};

struct NoStream {
  size_t endpoint = 0;
  Refusal refusal;
};

/// Used from the loop of its Env, which outlives it.
class EtcdClient {
 public:
  EtcdClient(Env& env, EtcdUrl url, Variables variables, EtcdOptions options);

  /// Tries until it is answered, the same would happen again, or the call's end. kUnavailable where
  /// it may have happened and that is not known, or where nobody could be reached.
  Task<Result<void>> Ask(Question question, Call call);
  /// One try, at the present endpoint, until the head of the response is there.
  Task<std::expected<OpenStream, NoStream>> Stream(std::string_view path, std::string body,
                                                   Call call);
  /// Of the whole store, as its quorum knows it.
  Task<Result<void>> AskRevision(Revision* revision, Call call);

  /// Something at `endpoint` went wrong: what comes goes to another one, and so does whoever
  /// listens to it.
  void MoveOn(size_t endpoint);
  /// What was opened at `endpoint` at that time should be opened anew, wherever that is now.
  bool InDoubt(size_t endpoint, Instant opened) const { return opened <= doubted_[endpoint]; }
  /// `stop` is cancelled when what was opened at `endpoint` at that time comes to be in doubt.
  /// Until Forget.
  void Listen(size_t endpoint, Instant opened, CancelSource& stop);
  void Forget(CancelSource& stop);
  /// When `endpoint` last answered anything.
  Instant Heard(size_t endpoint) const { return heard_[endpoint]; }
  /// The token is no longer taken.
  void DropToken();
  bool authenticates() const { return !url_.credentials.empty(); }

  /// The pause before try number `failures`, with jitter.
  Duration Pause(uint32_t failures);
  Env& env() { return env_; }
  /// Where the next question goes.
  size_t current() const { return current_; }
  const EtcdOptions& options() const { return options_; }
  const std::string& name() const { return name_; }
  const std::string& NameOf(size_t endpoint) const { return url_.endpoints[endpoint]; }

 private:
  struct Exchange {
    std::string_view path;
    std::string_view body;
    bool once = false;
    std::string token;
  };

  Task<std::optional<Refusal>> TryOnce(const Question& question, size_t endpoint, Call call);
  /// The response where it is a 200.
  Task<std::expected<std::unique_ptr<HttpResponse>, Refusal>> Send(size_t endpoint,
                                                                   Exchange exchange, Call call);
  Task<std::expected<std::string, Refusal>> Token(size_t endpoint, Call call);
  Task<std::expected<std::string, Refusal>> Authenticate(size_t endpoint, Call call);
  Task<Result<std::string>> ReadCredentials();
  Error CannotReach(Code code, const Error& last) const;
  Error Told(size_t endpoint, const Error& error) const;
  void Answered(size_t endpoint);
  /// What was asked at that time was left without an answer.
  void Unanswered(size_t endpoint, Instant asked);
  void Doubt(size_t endpoint, Instant until);
  /// When a try that begins now is given up.
  Instant TryUntil(const Question& question, uint32_t rounds, Instant give_up);

  struct Silence {
    Instant since;  // the first question without an answer was asked
    Instant last;   // the last was given up
  };
  struct Listener {
    size_t endpoint;
    Instant opened;
    CancelSource* stop;
  };

  Env& env_;
  const EtcdUrl url_;
  const Variables variables_;
  const EtcdOptions options_;
  const std::string name_;  // "registry etcd CELL"
  size_t current_ = 0;
  std::vector<Instant> heard_;                  // by endpoint
  std::vector<std::optional<Silence>> silent_;  // since its last answer to a question
  std::vector<Instant> doubted_;                // what was opened until then is in doubt
  std::string token_;
  bool authentication_off_ = false;
  Semaphore authenticating_;
  std::vector<Listener> listeners_;
};

/// The whole body; kUnavailable where it breaks, kCorrupt beyond `most`.
Task<Result<std::string>> ReadWhole(HttpResponse& response, size_t most, Call call);

}  // namespace forebay::etcd
