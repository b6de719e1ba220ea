#include "src/registry/etcd/etcd_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/base/units.h"

namespace forebay {
namespace {

using etcd::Refusal;

/// After a break etcd tells up to 1,000 revisions at once. Who has missed more than this takes a
/// new snapshot, which comes in pages.
constexpr size_t kMaxMessageBytes = 64 * kMiB;
constexpr size_t kPieceBytes = 16 * kKiB;
/// A stream that lived for so long has not failed when it ends.
constexpr Duration kGoodLife = std::chrono::seconds(5);
constexpr Duration kSilence = std::chrono::seconds(1);
/// Of the time that opening it may take, after as many failures.
constexpr uint32_t kDoublings = 3;
/// People are told of a watch that does not come back.
constexpr uint32_t kFailuresTold = 4;

}  // namespace

struct EtcdWatch::Open {
  size_t endpoint = 0;
  std::unique_ptr<HttpResponse> response;
  etcd::ObjectSplitter splitter{kMaxMessageBytes};
  Instant opened;
  Instant heard;
};

EtcdWatch::EtcdWatch(etcd::EtcdClient& client, std::string root, std::string prefix, Revision since)
    : client_(client), root_(std::move(root)), prefix_(std::move(prefix)), seen_(since) {}

EtcdWatch::~EtcdWatch() = default;

Error EtcdWatch::Missed(std::string_view why) const {
  return Error(Code::kCorrupt,
               fmt::format("{}: changes of '{}' after revision {} were missed ({}); list it again "
                           "and watch from there",
                           client_.name(), prefix_, seen_, why));
}

Result<void> EtcdWatch::CheckCall(const Call& call) const {
  if (call.cancel.cancelled()) return Fail(Code::kCancelled, client_.name() + ": given up");
  if (client_.env().clock.Now() < call.deadline) return {};
  return Fail(Code::kDeadlineExceeded,
              fmt::format("{}: no change of '{}' yet", client_.name(), prefix_));
}

Task<Result<std::vector<RegistryChange>>> EtcdWatch::Next(Call call) {
  for (;;) {
    FB_CO_TRY(CheckCall(call));
    if (open_ == nullptr) {
      FB_CO_TRY(co_await Connect(call));
      continue;
    }
    auto object = open_->splitter.Next();
    if (!object) {
      open_.reset();
      co_return Fail(Missed(object.error().message()));
    }
    if (!*object) {
      FB_CO_TRY(co_await ReadMore(call));
      continue;
    }
    FB_CO_ASSIGN(Changes changes, co_await Take(std::move(**object), call));
    if (!changes.empty()) co_return changes;
  }
}

void EtcdWatch::Break(std::string_view why) {
  if (open_ != nullptr && client_.env().clock.Now() - open_->opened >= kGoodLife) failures_ = 0;
  open_.reset();
  if (++failures_ != kFailuresTold) return;
  client_.env().log.Warning("registry", fmt::format("{}: the watch of '{}' is interrupted and will "
                                                    "go on when it can: {}",
                                                    client_.name(), prefix_, why));
}

/// One try; an error only where the watch cannot go on.
Task<Result<void>> EtcdWatch::Connect(Call call) {
  Clock& clock = client_.env().clock;
  if (failures_ > 0) {
    const Instant until = std::min(call.deadline, clock.Now() + client_.Pause(failures_ - 1));
    FB_CO_TRY(co_await clock.SleepUntil(until, call.cancel));
    FB_CO_TRY(CheckCall(call));
  }
  const Instant began = clock.Now();
  // When a whole cell comes back at once, who hurries asks for the same work again and again.
  const Duration patience = client_.options().open_timeout * (1 << std::min(failures_, kDoublings));
  const Instant until = std::min(call.deadline, began + patience);
  CancelSource stop;
  CancelListener given_up;
  const auto cancel = [](void* source) { static_cast<CancelSource*>(source)->Cancel(); };
  if (!call.cancel.Listen(given_up, cancel, &stop)) co_return CheckCall(call);
  client_.Listen(client_.current(), began, stop);
  auto stream =
      co_await client_.Stream(etcd::kWatchPath, etcd::WatchBody(root_ + prefix_, seen_ + 1),
                              {.deadline = until, .cancel = stop.token()});
  client_.Forget(stop);
  const Instant now = clock.Now();
  if (call.cancel.cancelled()) co_return CheckCall(call);
  if (stop.cancelled()) co_return Result<void>();  // everybody has left it
  if (stream) {
    open_ = std::make_unique<Open>(Open{.endpoint = stream->endpoint,
                                        .response = std::move(stream->response),
                                        .opened = now,
                                        .heard = now});
    co_return Result<void>();
  }
  const Refusal& refusal = stream.error().refusal;
  const bool late = refusal.error.code() == Code::kDeadlineExceeded;
  if (late && until == call.deadline && now - began < kSilence) co_return Fail(refusal.error);
  if (refusal.next != Refusal::Next::kAuthenticate) client_.MoveOn(stream.error().endpoint);
  co_return Refused(refusal);
}

Result<void> EtcdWatch::Refused(const Refusal& refusal) {
  if (refusal.error.code() == Code::kCancelled) return Fail(refusal.error);
  if (refusal.next == Refusal::Next::kGiveUp) {
    open_.reset();
    return Fail(refusal.error.Within(fmt::format("watch '{}'", prefix_)));
  }
  Break(refusal.error.message());
  return {};
}

Task<Result<void>> EtcdWatch::ReadMore(Call call) {
  if (client_.InDoubt(open_->endpoint, open_->opened)) {
    open_.reset();  // go where everybody goes
    co_return Result<void>();
  }
  const Duration patience = client_.options().quiet_watch;
  const Instant look_at =
      std::max(open_->heard, client_.Heard(open_->endpoint)) + client_.options().quiet_endpoint;
  const Instant quiet_at = std::min(open_->heard + patience, look_at);
  // Ended by the caller, or because the endpoint is given up.
  CancelSource stop;
  CancelListener given_up;
  const auto cancel = [](void* source) { static_cast<CancelSource*>(source)->Cancel(); };
  if (!call.cancel.Listen(given_up, cancel, &stop)) co_return CheckCall(call);
  client_.Listen(open_->endpoint, open_->opened, stop);
  char piece[kPieceBytes];
  const auto got = co_await open_->response->Read(
      std::as_writable_bytes(std::span(piece)),
      {.deadline = std::min(call.deadline, quiet_at), .cancel = stop.token()});
  client_.Forget(stop);
  const Instant now = client_.env().clock.Now();
  if (got && *got > 0) {
    open_->heard = now;
    open_->splitter.Add({piece, *got});
    co_return Result<void>();
  }
  if (call.cancel.cancelled()) co_return CheckCall(call);
  if (stop.cancelled()) co_return Result<void>();
  if (got || got.error().code() == Code::kUnavailable) {
    Break(got ? "the stream ended" : got.error().message());
    co_return Result<void>();
  }
  if (got.error().code() != Code::kDeadlineExceeded) co_return Fail(got.error());
  if (now >= call.deadline) co_return CheckCall(call);
  if (now >= open_->heard + patience) {
    Break("nothing was heard for long");
    co_return Result<void>();
  }
  co_return co_await LookAfterSilence(call);
}

Task<Result<void>> EtcdWatch::LookAfterSilence(Call call) {
  const Instant until =
      std::min(call.deadline, client_.env().clock.Now() + client_.options().try_timeout);
  Revision revision = 0;
  // Whatever comes of it: an endpoint that does not answer is left by asking it.
  const auto asked = co_await client_.AskRevision(&revision, {until, call.cancel});
  if (!asked && asked.error().code() == Code::kCancelled) co_return asked;
  co_return Result<void>();
}

Task<Result<std::vector<RegistryChange>>> EtcdWatch::Take(std::string object, Call call) {
  auto message = etcd::ReadWatch(object);
  if (!message) {
    open_.reset();
    co_return Fail(Missed(message.error().message()));
  }
  if (message->compact_revision > 0) {
    open_.reset();
    co_return Fail(Missed(fmt::format("compacted at {}", message->compact_revision)));
  }
  if (message->canceled || !message->error.empty()) {
    Refusal refusal =
        etcd::ExplainWords(0, message->canceled ? message->cancel_reason : message->error);
    // To a watch, etcd 3.4 calls a token that it does not know a lack of permission.
    const bool denied = refusal.error.code() == Code::kPermissionDenied;
    if (denied && client_.authenticates() && !std::exchange(authenticated_again_, true)) {
      refusal.next = Refusal::Next::kAuthenticate;
    }
    if (refusal.next == Refusal::Next::kAuthenticate) client_.DropToken();
    if (refusal.next == Refusal::Next::kElsewhere) client_.MoveOn(open_->endpoint);
    FB_CO_TRY(Refused(refusal));
    co_return Changes();
  }
  if (message->created) {
    FB_CO_TRY(co_await CheckPast(message->revision, call));
    co_return Changes();
  }
  failures_ = 0;
  authenticated_again_ = false;
  // Progress: all that happened before it has been told.
  if (message->changes.empty()) seen_ = std::max(seen_, message->revision);
  co_return Strip(std::move(message->changes));
}

/// A member may lag behind what was seen elsewhere. But where the whole of etcd does, it has lost
/// its past (put back from a backup), and its revisions are others.
Task<Result<void>> EtcdWatch::CheckPast(Revision revision, Call call) {
  if (revision >= seen_) co_return Result<void>();
  const Instant until =
      std::min(call.deadline, client_.env().clock.Now() + client_.options().try_timeout);
  const auto asked = co_await client_.AskRevision(&revision, {until, call.cancel});
  if (!asked) {
    if (asked.error().code() == Code::kCancelled) co_return asked;
    Break(asked.error().message());
    co_return Result<void>();
  }
  if (revision >= seen_) co_return Result<void>();
  open_.reset();
  co_return Fail(Missed(fmt::format("etcd is at revision {}: has it been restored?", revision)));
}

Result<EtcdWatch::Changes> EtcdWatch::Strip(Changes changes) {
  const Revision seen = seen_;
  std::erase_if(changes, [&](const RegistryChange& c) { return c.entry.modified <= seen; });
  for (RegistryChange& change : changes) {
    if (!change.entry.key.starts_with(root_)) {
      return Fail(Missed("etcd told of a key that was not asked for"));
    }
    change.entry.key.erase(0, root_.size());
    seen_ = std::max(seen_, change.entry.modified);
  }
  return changes;
}

}  // namespace forebay
