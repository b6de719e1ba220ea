#include "src/node/listings.h"

#include <cstring>
#include <tuple>

#include "src/node/lookups.h"

namespace forebay {
namespace {

/// What a kept page costs beside its text, its names and its question.
constexpr uint64_t kOverhead = 320;

void PutNumber(std::string* to, uint64_t number) {
  for (; number >= 0x80; number >>= 7) to->push_back(static_cast<char>(number | 0x80));
  to->push_back(static_cast<char>(number));
}

uint64_t TakeNumber(std::string_view* from) {
  uint64_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(from->front());
    from->remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return number;
  }
}

std::string_view TakeText(std::string_view* from) {
  const uint64_t size = TakeNumber(from);
  const std::string_view text = from->substr(0, size);
  from->remove_prefix(size);
  return text;
}

size_t Shared(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

// -- Pages in little memory

PackedPage PackedPage::Of(const ListPage& page) {
  PackedPage packed;
  packed.more_ = page.more;
  packed.entries_ = static_cast<uint32_t>(page.entries.size());
  std::string_view before;
  for (const ListEntry& entry : page.entries) {
    const size_t shared = Shared(before, entry.key);
    PutNumber(&packed.text_, shared << 1 | (entry.is_prefix ? 1 : 0));
    PutNumber(&packed.text_, entry.key.size() - shared);
    packed.text_.append(entry.key, shared);
    before = entry.key;
    if (entry.is_prefix) continue;
    PutNumber(&packed.text_, entry.info.etag.size());
    packed.text_.append(entry.info.etag);
    PutNumber(&packed.text_, entry.info.size);
    PutNumber(&packed.text_, static_cast<uint64_t>(entry.info.modified_ns));
  }
  packed.text_.shrink_to_fit();
  return packed;
}

ListPage PackedPage::Unpack() const {
  ListPage page{.entries = {}, .more = more_};
  page.entries.reserve(entries_);
  std::string_view rest = text_;
  std::string key;
  for (uint32_t i = 0; i < entries_; ++i) {
    const uint64_t head = TakeNumber(&rest);
    key.resize(head >> 1);
    key.append(TakeText(&rest));
    ListEntry& entry = page.entries.emplace_back();
    entry.key = key;
    entry.is_prefix = (head & 1) != 0;
    if (entry.is_prefix) continue;
    entry.info.etag = TakeText(&rest);
    entry.info.size = TakeNumber(&rest);
    entry.info.modified_ns = static_cast<int64_t>(TakeNumber(&rest));
  }
  return page;
}

// -- Asking

bool Listings::Question::operator<(const Question& other) const {
  const auto all = [](const Question& q) {
    return std::tie(q.attachment, q.options.prefix, q.options.delimiter, q.options.after,
                    q.options.limit);
  };
  return all(*this) < all(other);
}

/// Who may share an answer: whoever asks after a write must not be given one that was on its way
/// before. A node hears of writes of what it owns, once everybody knows that it does.
Listings::Sharing Listings::SharingOf(const Attachment& attachment, const ListOptions& options,
                                      Instant asked) const {
  switch (attachment.config.freshness.mode) {
    case Freshness::Mode::kImmutable:
      return Sharing::kEver;
    case Freshness::Mode::kAlways:
      return Sharing::kNone;
    case Freshness::Mode::kTtl:
      break;
  }
  const bool told = context_.peers == nullptr ||
                    context_.peers->Owns(FolderKey(attachment.config.id, options.prefix), asked);
  return told ? Sharing::kTold : Sharing::kNone;
}

bool Listings::MayJoin(const Attachment& attachment, const ListOptions& options,
                       const Asking& asking) const {
  const Sharing sharing = SharingOf(attachment, options, asking.asked);
  return KeepUntil(attachment, sharing, asking.asked) > context_.env.clock.Now();
}

std::optional<ListPage> Listings::FreshPage(const Question& question) {
  const auto kept = pages_.find(question);
  if (kept == pages_.end()) return std::nullopt;
  if (context_.env.clock.Now() < kept->second.fresh_until) {
    by_age_.splice(by_age_.end(), by_age_, kept->second.age);
    return kept->second.page.Unpack();
  }
  Drop(kept);
  return std::nullopt;
}

Task<Result<ListPage>> Listings::Page(std::shared_ptr<const Attachment> attachment,
                                      ListOptions options, Call call, Trace* trace) {
  const AttachmentId id = attachment->config.id;
  const Freshness::Mode mode = attachment->config.freshness.mode;
  const uint32_t owner = context_.peers == nullptr || mode == Freshness::Mode::kAlways
                             ? Peers::kNobody
                             : context_.peers->OwnerOf(FolderKey(id, options.prefix));
  if (owner != Peers::kNobody) {
    const Question question{id, options};
    if (auto page = FreshPage(question)) co_return *std::move(page);
    const auto ticket = context_.names.Ask();
    const Instant asked = context_.env.clock.Now();
    auto page = co_await AskOwner(owner, id, options, call);
    if (trace != nullptr) trace->peer += context_.env.clock.Now() - asked;
    // For whoever loads these names; nobody takes for fresh what a folder's owner says of a name.
    if (page) Learn(*attachment, *page, Instant{}, ticket);
    if (page && mode == Freshness::Mode::kImmutable) Keep(question, *page, Instant::Never());
    const bool over = call.cancel.cancelled() || context_.env.clock.Now() >= call.deadline;
    if (page || over) co_return page;
  }
  // An owner that cannot be asked is done without.
  co_return co_await PageHere(std::move(attachment), std::move(options), call, trace);
}

/// The owner may give less than was asked for at a time: what fits into an answer.
Task<Result<ListPage>> Listings::AskOwner(uint32_t owner, AttachmentId attachment,
                                          ListOptions options, Call call) {
  ListPage page{.entries = {}, .more = true};
  while (page.more && page.entries.size() < options.limit) {
    const size_t left = options.limit - page.entries.size();
    const wire::PeerListRequest request{
        .attachment_id = attachment,
        .limit = static_cast<uint16_t>(std::min(left, wire::kMaxListEntries)),
        .prefix = options.prefix,
        .delimiter = options.delimiter,
        .after = options.after};
    FB_CO_ASSIGN(const auto answer, co_await context_.peers->Ask<wire::PeerListAnswer>(
                                        owner, request, WithPatience(context_, call, 2)));
    for (const wire::Entry& entry : answer.value.entries) {
      page.entries.push_back({.key = std::string(entry.key),
                              .info = {.etag = std::string(entry.etag),
                                       .size = entry.size,
                                       .modified_ns = entry.modified_ns},
                              .is_prefix = entry.is_prefix});
    }
    page.more = answer.value.more;
    if (page.more && answer.value.entries.empty()) {
      co_return Fail(Code::kUnavailable, "a page without names");
    }
    if (page.more) options.after = page.entries.back().key;
  }
  co_return page;
}

Task<Result<ListPage>> Listings::PageHere(std::shared_ptr<const Attachment> attachment,
                                          ListOptions options, Call call, Trace* trace) {
  const Question question{attachment->config.id, options};
  const Instant began = context_.env.clock.Now();
  if (auto page = FreshPage(question)) {
    ReadAhead(attachment, question, *page, call);
    co_return *std::move(page);
  }
  FB_CO_TRY(context_.CheckRoomToWait());
  const auto found = asking_.find(question);
  const bool joins = found != asking_.end() && MayJoin(*attachment, options, *found->second);
  const auto asking = joins ? found->second : Begin(attachment, question, call);
  ++context_.waiting;
  auto waited = Result<void>();
  if (!asking->done) waited = co_await asking->waiters.Wait(context_.env, 0, call);
  --context_.waiting;
  if (trace != nullptr) trace->origin += context_.env.clock.Now() - began;
  if (!waited) co_return Fail(AsLate(waited.error(), *attachment, began, context_));
  if (asking->answer) ReadAhead(attachment, question, *asking->answer, call);
  co_return asking->answer;
}

bool Listings::GoesOn(const Pages::value_type& before, const Question& question) {
  const ListOptions& one = before.first.options;
  const ListOptions& next = question.options;
  return before.first.attachment == question.attachment && one.prefix == next.prefix &&
         one.delimiter == next.delimiter && one.limit == next.limit &&
         before.second.last == next.after;
}

std::shared_ptr<Listings::Asking> Listings::Begin(std::shared_ptr<const Attachment> attachment,
                                                  const Question& question, const Call& call) {
  auto asking = std::make_shared<Asking>();
  asking->trace = call.trace;
  asking->asked = context_.env.clock.Now();
  const Sharing sharing = SharingOf(*attachment, question.options, asking->asked);
  if (sharing != Sharing::kNone) asking_[question] = asking;
  context_.tasks.Spawn(Run(std::move(attachment), question, sharing, asking));
  return asking;
}

/// Whoever goes on just where a page ended goes through all of them: the one behind `page` comes
/// while he looks at it. Who goes on elsewhere (the S3 door may) would not ask for it.
void Listings::ReadAhead(const std::shared_ptr<const Attachment>& attachment, Question question,
                         const ListPage& page, const Call& call) {
  if (question.options.after.empty() || !page.more || page.entries.empty()) return;
  const auto here = pages_.lower_bound(question);
  if (here == pages_.begin() || !GoesOn(*std::prev(here), question)) return;
  const Instant now = context_.env.clock.Now();
  const Sharing sharing = SharingOf(*attachment, question.options, now);
  if (KeepUntil(*attachment, sharing, now) < now + kLeastFreshAhead || context_.closing) return;
  if (context_.origin_requests.free() == 0) return;  // others want something now
  question.options.after = page.entries.back().key;
  const auto kept = pages_.find(question);
  if (asking_.contains(question) || (kept != pages_.end() && now < kept->second.fresh_until))
    return;
  if (kept != pages_.end()) Drop(kept);
  Begin(attachment, question, call);
}

/// Whoever asked goes on waiting only as long as he likes; the answer is for others, too.
Task<void> Listings::Run(std::shared_ptr<const Attachment> attachment, Question question,
                         Sharing sharing, std::shared_ptr<Asking> asking) {
  asking->answer = co_await Ask(attachment, question.options, asking);
  if (const auto found = asking_.find(question);
      found != asking_.end() && found->second == asking) {
    asking_.erase(found);
  }
  if (asking->answer && !asking->outdated) {
    Keep(question, *asking->answer, KeepUntil(*attachment, sharing, asking->asked));
  }
  asking->done = true;
  asking->waiters.WakeAll();
}

void Listings::Learn(const Attachment& attachment, const ListPage& page, Instant asked,
                     NameCache::Ticket ticket) {
  for (const ListEntry& entry : page.entries) {
    if (entry.is_prefix || entry.info.size > kMaxObjectBytes) continue;
    const KnownName known = lookups_.Describe(attachment, entry.key, entry.info, asked);
    context_.names.Learn(attachment.config.id, entry.key, known, ticket);
  }
}

Task<Result<ListPage>> Listings::Ask(std::shared_ptr<const Attachment> attachment,
                                     ListOptions options, std::shared_ptr<Asking> asking) {
  const Call stop{.cancel = context_.stop.token(), .trace = asking->trace};
  FB_CO_TRY(co_await context_.origin_requests.Take(context_.env, 1, stop));
  const Units request(context_.origin_requests, 1);
  for (int attempt = 0;;) {
    const auto ticket = context_.names.Ask();
    const Instant asked = context_.env.clock.Now();
    CountRequest(context_, *attachment);
    auto page =
        co_await attachment->origin->List(context_.env, options, WithPatience(context_, stop));
    if (page) {
      Learn(*attachment, *page, asked, ticket);
      co_return page;
    }
    Error error = AsSilence(page.error(), *attachment, context_);
    if (error.code() != Code::kCancelled) context_.counters.origin.errors.Add();
    const bool again = WorthARetry(error) && !RetriesItself(*attachment) && !asking->outdated &&
                       ++attempt < kMaxAttempts && context_.retries.TryRetry() && !context_.closing;
    if (!again) co_return Fail(std::move(error));
    context_.counters.origin.retries.Add();
    FB_CO_TRY(co_await BackOff(context_.env, attempt, stop));
  }
}

// -- Keeping

Instant Listings::KeepUntil(const Attachment& attachment, Sharing sharing, Instant asked) const {
  if (sharing == Sharing::kEver) return Instant::Never();
  if (sharing == Sharing::kNone) return asked;
  const Duration ttl = attachment.config.freshness.ttl;
  return asked + (context_.peers == nullptr ? ttl : std::min(ttl, kNameLease));
}

uint64_t Listings::BytesOf(const Question& question, const Kept& kept) {
  return kOverhead + kept.page.bytes() + kept.last.size() + question.options.prefix.size() +
         question.options.after.size();
}

void Listings::Keep(const Question& question, const ListPage& page, Instant fresh_until) {
  if (fresh_until <= context_.env.clock.Now()) return;
  Kept kept{.page = PackedPage::Of(page),
            .last = page.more && !page.entries.empty() ? page.entries.back().key : "",
            .fresh_until = fresh_until,
            .age = {}};
  const uint64_t bytes = BytesOf(question, kept);
  if (bytes > capacity_bytes_) return;
  while (bytes_ + bytes > capacity_bytes_) Drop(pages_.find(*by_age_.front()));
  const auto [at, fresh] = pages_.emplace(question, std::move(kept));
  if (!fresh) return;  // somebody who joined nobody was first
  at->second.age = by_age_.insert(by_age_.end(), &at->first);
  bytes_ += bytes;
}

void Listings::Drop(Pages::iterator page) {
  bytes_ -= BytesOf(page->first, page->second);
  by_age_.erase(page->second.age);
  pages_.erase(page);
}

/// What sorts before every question about the attachment.
Listings::Question Listings::FirstOf(AttachmentId attachment) {
  return {attachment, {.limit = 0}};
}

/// With a delimiter a key may be behind a name that sorts before it.
bool Listings::MayTell(const Question& question, const Kept* kept, std::string_view key) {
  if (!key.starts_with(question.options.prefix)) return false;
  if (!question.options.delimiter.empty()) return true;
  if (key <= question.options.after) return false;
  return kept == nullptr || kept->last.empty() || key <= kept->last;
}

void Listings::Changed(AttachmentId attachment, std::string_view key) {
  Outdate(attachment,
          [&](const Question& question, const Kept* kept) { return MayTell(question, kept, key); });
}

void Listings::Forget(AttachmentId attachment, std::string_view prefix) {
  Outdate(attachment, [&](const Question& question, const Kept*) {
    const std::string_view told = question.options.prefix;
    return told.starts_with(prefix) || prefix.starts_with(told);
  });
}

/// What is kept, and what is on its way: who comes now asks anew.
template <class Is>
void Listings::Outdate(AttachmentId attachment, const Is& is) {
  for (auto at = pages_.lower_bound(FirstOf(attachment));
       at != pages_.end() && at->first.attachment == attachment;) {
    const auto page = at++;
    if (is(page->first, &page->second)) Drop(page);
  }
  for (auto at = asking_.lower_bound(FirstOf(attachment));
       at != asking_.end() && at->first.attachment == attachment;) {
    if (!is(at->first, nullptr)) {
      ++at;
      continue;
    }
    at->second->outdated = true;
    at = asking_.erase(at);
  }
}

}  // namespace forebay
