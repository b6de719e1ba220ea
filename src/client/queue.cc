#include "src/client/queue.h"

#include <algorithm>

namespace forebay::client {

void Submission::Piece::OnDone() {
  submission_.queue_.OnAnswered(submission_);
}

Queue::~Queue() {
  for (Submission& submission : all_) submission.piece_.reset();
}

Result<Beacon*> Queue::TheBeacon() {
  const std::lock_guard lock(mutex_);
  if (!beacon_) {
    FB_ASSIGN(beacon_, core_.outside().dialer.MakeBeacon());
    if (!done_.empty() || !answered_.empty()) beacon_->Raise();
  }
  return beacon_.get();
}

Result<int> Queue::EventDescriptor() {
  FB_ASSIGN(const Beacon* beacon, TheBeacon());
  return beacon->descriptor();
}

// ---- One read.

Result<Submission*> Queue::Begin() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    if (all_.size() >= kMaxSubmitted) {
      return Fail(Code::kOverloaded, std::to_string(kMaxSubmitted) +
                                         " reads are submitted and not collected: collect some");
    }
    return &all_.emplace_back(*this);
  }
  Submission* submission = free_.back();
  free_.pop_back();
  return submission;
}

Result<void> Queue::Submit(std::shared_ptr<File::Impl> file, uint64_t offset, MutableBytes into,
                           void* tag) {
  FB_TRY(TheBeacon());
  FB_ASSIGN(Submission * submission, Begin());
  submission->into_ = into.first(file->SizeFrom(offset, into.size()));
  submission->file_ = std::move(file);
  submission->offset_ = offset;
  submission->tag_ = tag;
  submission->done_bytes_ = 0;
  submission->attempt_ = 0;
  submission->check_first_ = false;
  submission->until_ = core_.Deadline();
  const size_t local =
      submission->file_->ReadLocal(core_, offset, submission->into_, submission->until_);
  submission->done_bytes_ = local;
  if (local == submission->into_.size()) {
    Finish(*submission, {});
    return {};
  }
  auto started = StartPiece(*submission, false);
  if (!started) {
    const std::lock_guard lock(mutex_);
    submission->file_.reset();
    free_.push_back(submission);
  }
  return started;
}

/// Again where the connection turns out to be lost: nothing was asked for yet.
Result<void> Queue::StartPiece(Submission& submission, bool wait_for_room) {
  for (;;) {
    File::Impl::Opened& opened = submission.file_->opened(core_);
    FB_ASSIGN(const auto link, core_.Acquire(opened.slot, submission.until_));
    auto started = StartOn(link, submission, wait_for_room);
    if (started || !link->broken()) return started;
    if (!core_.ShouldRetry(started.error(), *link, submission.attempt_++, submission.until_)) {
      return started;
    }
  }
}

Result<void> Queue::StartOn(const std::shared_ptr<Link>& link, Submission& submission,
                            bool wait_for_room) {
  File::Impl& file = *submission.file_;
  FB_ASSIGN(const uint32_t handle, file.HandleOn(file.opened(core_), link, submission.until_));
  FB_TRY(Watch(link));
  const size_t most = std::max<uint32_t>(1, link->info().limits.max_read_bytes);
  const uint64_t at = submission.done_bytes_;
  const MutableBytes part =
      submission.into_.subspan(at, std::min<size_t>(most, submission.into_.size() - at));
  const wire::ReadRequest request{.handle = handle,
                                  .offset = submission.offset_ + at,
                                  .size = static_cast<uint32_t>(part.size())};
  submission.piece_.emplace(submission, file.info, request.offset, part);
  submission.link_ = link;
  {
    const std::lock_guard lock(mutex_);
    under_way_.push_back(&submission);
    submission.held_ = true;  // its answer may come before Start is through with it
  }
  auto started = submission.link_->Start(
      *submission.piece_, request, submission.until_, {},
      {.wait_for_room = wait_for_room,
       .flags = submission.check_first_ ? uint8_t{wire::kCheckFirst} : uint8_t{0}});
  const std::lock_guard lock(mutex_);
  submission.held_ = false;
  if (started) return started;
  // Where the connection broke meanwhile it was answered already, and will be advanced as such.
  if (std::erase(under_way_, &submission) == 0) return {};
  return started;
}

/// Runs under a link's lock.
void Queue::OnAnswered(Submission& submission) {
  const std::lock_guard lock(mutex_);
  std::erase(under_way_, &submission);
  answered_.push_back(&submission);
  if (beacon_) beacon_->Raise();
}

bool Queue::MayGoOn(Submission& submission, const Error& error) {
  if (error.code() == Code::kCorrupt && !submission.check_first_ && !submission.link_->broken()) {
    submission.check_first_ = true;
    return true;
  }
  return core_.ShouldRetry(error, *submission.link_, submission.attempt_++, submission.until_);
}

void Queue::Advance(Submission& submission) {
  const Submission::Piece& piece = *submission.piece_;
  Result<void> outcome = std::move(submission.piece_->outcome());
  if (outcome) outcome = CheckWhole(piece.exchange.size(), piece.size);
  if (outcome) {
    submission.done_bytes_ += piece.size;
    submission.attempt_ = 0;
    submission.check_first_ = false;
    if (submission.done_bytes_ == submission.into_.size()) return Finish(submission, {});
  } else if (!MayGoOn(submission, outcome.error())) {
    return Finish(submission, std::move(outcome));
  }
  auto started = StartPiece(submission, true);
  if (!started) Finish(submission, std::move(started));
}

void Queue::Finish(Submission& submission, Result<void> outcome) {
  submission.piece_.reset();
  submission.link_.reset();
  const std::lock_guard lock(mutex_);
  submission.outcome_ = std::move(outcome);
  done_.push_back(&submission);
  if (beacon_) beacon_->Raise();
}

// ---- Collecting.

size_t Queue::Take(std::span<Completion> into) {
  const std::lock_guard lock(mutex_);
  const size_t count = std::min(into.size(), done_.size());
  for (size_t i = 0; i < count; ++i) {
    Submission& submission = *done_[i];
    into[i].tag = submission.tag_;
    into[i].bytes = submission.outcome_ ? Result<uint64_t>(submission.done_bytes_)
                                        : Fail(std::move(submission.outcome_.error()));
    submission.file_.reset();
    free_.push_back(&submission);
  }
  done_.erase(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(count));
  if (done_.empty() && answered_.empty()) beacon_->Lower();
  return count;
}

bool Queue::AdvanceAnswered() {
  Submission* submission = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto next =
        std::ranges::find_if(answered_, [](const auto* answered) { return !answered->held_; });
    if (next == answered_.end()) return false;
    submission = *next;
    answered_.erase(next);
    ++advancing_;
  }
  Advance(*submission);
  const std::lock_guard lock(mutex_);
  --advancing_;
  return true;
}

bool Queue::Anything() {
  const std::lock_guard lock(mutex_);
  return !done_.empty() || !answered_.empty() || !under_way_.empty() || advancing_ > 0;
}

Result<size_t> Queue::Collect(std::span<Completion> into, Duration wait) {
  FB_ASSIGN(Beacon * beacon, TheBeacon());
  const Instant until = core_.Now() + wait;
  for (;;) {
    while (AdvanceAnswered()) {
    }
    if (const size_t count = Take(into); count > 0) return count;
    PumpWatched();
    const Instant late = ExpireLate();
    {
      const std::lock_guard lock(mutex_);
      if (!done_.empty() || !answered_.empty()) continue;
    }
    if (!Anything() || core_.Now() >= until) return size_t{0};
    beacon->Wait(std::min(until, late));
  }
}

Result<void> Queue::Watch(const std::shared_ptr<Link>& link) {
  const std::lock_guard lock(mutex_);
  for (const auto& known : watched_) {
    if (known.lock() == link) return {};
  }
  std::erase_if(watched_, [](const auto& known) { return known.expired(); });
  FB_TRY(beacon_->Watch(link->channel()));
  watched_.push_back(link);
  return {};
}

void Queue::PumpWatched() {
  for (size_t i = 0;; ++i) {
    std::shared_ptr<Link> link;
    {
      const std::lock_guard lock(mutex_);
      if (i >= watched_.size()) return;
      link = watched_[i].lock();
    }
    if (!link) continue;
    link->Pump();
    if (!link->broken()) continue;
    // Its end would be readable for ever.
    const std::lock_guard lock(mutex_);
    const auto found =
        std::ranges::find_if(watched_, [&link](const auto& known) { return known.lock() == link; });
    if (found == watched_.end()) continue;
    beacon_->Forget(link->channel());
    watched_.erase(found);
  }
}

Instant Queue::ExpireLate() {
  const Instant now = core_.Now();
  for (;;) {
    Submission* late = nullptr;
    {
      const std::lock_guard lock(mutex_);
      Instant earliest = Instant::Never();
      for (Submission* submission : under_way_) {
        if (submission->held_) continue;
        earliest = std::min(earliest, submission->until_);
        if (submission->until_ <= now) late = submission;
      }
      if (late == nullptr) return earliest;
      late->held_ = true;
    }
    late->link_->GiveUp(*late->piece_);
    const std::string path = late->file_->path;
    bool ours = false;  // it may have been answered just now, and is among the answered then
    {
      const std::lock_guard lock(mutex_);
      late->held_ = false;
      ours = std::erase(under_way_, late) > 0;
      if (ours) ++advancing_;
    }
    if (!ours) continue;
    Finish(*late, Fail(Code::kDeadlineExceeded, path + ": no answer before the deadline"));
    const std::lock_guard lock(mutex_);
    --advancing_;
  }
}

}  // namespace forebay::client
