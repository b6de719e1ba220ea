// Loading: each owner is told what to bring in from the origin, and nothing travels but that.
#include <map>
#include <set>

#include "src/node/node_impl.h"

namespace forebay {
namespace {

/// Parts that one node brings in at one time for one request.
constexpr size_t kAtOnce = 8;
/// Parts of one request.
constexpr size_t kPartsOfRequest = 64;
static_assert(kPartsOfRequest <= wire::kMaxLoadItems);
/// Names that are looked up at one time.
constexpr size_t kNamesAtOnce = 16;
/// Of a chunk's order, those that are told before this node does it itself.
constexpr size_t kMostTold = 4;
/// Pauses before an owner that has too much to do is passed over.
constexpr int kOverloadedTries = 10;
/// How often an object may change under its load.
constexpr int kMostVersions = 3;

struct Part {
  size_t item = 0;
  ByteRange range;  // within one chunk
  Result<void> result;
};

/// Parts that one node brings in.
struct Batch {
  uint32_t node = Peers::kNobody;  // this one
  std::vector<Part> parts;
};

}  // namespace

// -- Here

Task<Result<void>> Node::Impl::BringIn(std::shared_ptr<const Attachment> attachment,
                                       const PeerLoadItem* item, Call call) {
  const VersionId version =
      MakeVersionId(attachment->config.id, item->key, item->info.etag, item->info.size);
  const auto handle = handles.Make([&](ResolvedObject& to) {
    to = {std::move(attachment), item->key, version, item->info, Instant::Never()};
  });
  NoteName(handle->object());
  const uint64_t size = item->info.size;
  const uint64_t begin = RoundDown(std::min(item->offset, size), kPageBytes);
  const uint64_t end = begin + std::min(item->offset - begin + item->size, size - begin);
  const uint64_t step = context.MaxRange();
  for (uint64_t at = begin; at < end; at += step) {
    if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, "nobody wants it any more");
    FB_CO_TRY(co_await FetchPart(handle, {at, std::min(end, at + step)}, call, nullptr,
                                 Flights::Way::kOrigin));
  }
  co_return Result<void>();
}

namespace {

/// What several workers share.
struct BringingIn {
  Node::Impl& node;
  const std::shared_ptr<const Attachment> attachment;
  const std::vector<PeerLoadItem>& items;
  const Call call;
  std::vector<Result<void>> results;
  size_t next = 0;
};

Task<void> BringInSome(BringingIn* all) {
  while (all->next < all->items.size()) {
    const size_t number = all->next++;
    all->results[number] =
        co_await all->node.BringIn(all->attachment, &all->items[number], all->call);
  }
}

}  // namespace

Task<std::vector<Result<void>>> Node::Impl::BringInAll(std::shared_ptr<const Attachment> attachment,
                                                       const std::vector<PeerLoadItem>* items,
                                                       Call call) {
  BringingIn all{*this, std::move(attachment), *items, call, {}};
  all.results.resize(items->size());
  TaskGroup group(context.env.executor);
  for (size_t i = 0; i < std::min(kAtOnce, items->size()); ++i) group.Spawn(BringInSome(&all));
  co_await group.Join();
  co_return std::move(all.results);
}

Task<Result<std::vector<Result<void>>>> Node::LoadForPeer(Authenticated who,
                                                          AttachmentId attachment,
                                                          std::vector<PeerLoadItem> items,
                                                          Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  std::shared_ptr<const Attachment> of;
  for (const PeerLoadItem& item : items) {
    FB_CO_ASSIGN(of, impl_->AttachmentOfPeer(who, attachment, item.key));
  }
  auto results = co_await impl_->BringInAll(std::move(of), &items, operation.call());
  // Whoever asked goes on to the next owner with all of it.
  FB_CO_TRY(operation.Check());
  co_return results;
}

// -- By all

namespace {

/// One Load.
class Loading {
 public:
  Loading(Node::Impl& node, std::shared_ptr<const Attachment> attachment,
          std::vector<LoadItem> items, Call call)
      : node_(node),
        context_(node.context),
        attachment_(std::move(attachment)),
        call_(call),
        tasks_(node.context.env.executor) {
    items_.reserve(items.size());
    for (LoadItem& item : items) items_.push_back({.asked = std::move(item)});
  }

  Task<Result<LoadReport>> Run();

 private:
  struct Item {
    LoadItem asked;
    PeerLoadItem object;  // as it was found last, with the range that is wanted of it
    uint64_t bytes = 0;   // that are there
    int versions = 0;     // that it was found at
    bool to_find = true;  // its name must be looked up
    std::optional<Error> error;
    std::string failed_at;  // the node
  };

  /// Nobody waits for it any more.
  bool Over() const {
    return call_.cancel.cancelled() || context_.env.clock.Now() >= call_.deadline;
  }
  Task<void> FindAll();
  Task<void> FindSome(size_t* next);
  Task<void> Find(Item* item);
  std::vector<Batch> MakeBatches();
  uint32_t Target(const Part& part);
  std::string NameOf(uint32_t node) const;
  Task<void> Send(Batch* batch);
  Task<Result<void>> Tell(Batch* batch, std::vector<PeerLoadItem> items);
  void Settle(const Batch& batch);
  LoadReport Report();

  Node::Impl& node_;
  NodeContext& context_;
  const std::shared_ptr<const Attachment> attachment_;
  const Call call_;
  std::vector<Item> items_;
  std::vector<Part> left_;
  std::set<uint32_t> silent_;          // told, and did not answer
  std::set<std::string> passed_over_;  // owners
  std::optional<Error> error_;         // of all
  TaskGroup tasks_;
};

Task<Result<LoadReport>> Loading::Run() {
  for (;;) {
    co_await FindAll();
    if (error_) co_return Fail(*error_);
    if (left_.empty()) co_return Report();
    std::vector<Batch> batches = MakeBatches();
    for (Batch& batch : batches) tasks_.Spawn(Send(&batch));
    co_await tasks_.Join();
  }
}

// Names

Task<void> Loading::FindAll() {
  size_t next = 0;
  for (size_t i = 0; i < std::min(kNamesAtOnce, items_.size()); ++i) tasks_.Spawn(FindSome(&next));
  co_await tasks_.Join();
}

Task<void> Loading::FindSome(size_t* next) {
  while (*next < items_.size() && !error_) {
    Item& item = items_[(*next)++];
    if (item.to_find) co_await Find(&item);
  }
}

/// Also what is not fresh any more will do: an origin is asked for that version and no other, and
/// says if it is gone. So a million names that were listed are not asked for one by one.
Task<void> Loading::Find(Item* item) {
  item->to_find = false;
  const std::string& key = item->asked.key;
  KnownName known;
  const bool listed = item->versions++ == 0 &&
                      context_.names.Find(attachment_->config.id, key, &known) && known.exists;
  if (!listed) {
    auto found =
        co_await node_.lookups.Resolve(attachment_, key, Lookups::Purpose::kStat, call_, nullptr);
    if (!found) {
      item->error = found.error();
      if (Over()) error_ = found.error();
      co_return;
    }
    item->object.info = found->info;
  } else {
    item->object.info = {known.etag, known.size, known.modified_ns};
  }
  item->object.key = key;
  item->bytes = 0;
  const auto number = static_cast<size_t>(item - items_.data());
  std::erase_if(left_, [number](const Part& part) { return part.item == number; });
  const uint64_t size = item->object.info.size;
  const uint64_t end =
      item->asked.offset + std::min(item->asked.size, UINT64_MAX - item->asked.offset);
  const uint64_t chunk_bytes = attachment_->config.chunk_bytes;
  for (uint64_t at = item->asked.offset; at < std::min(end, size);) {
    const uint64_t stop = std::min({end, size, RoundDown(at, chunk_bytes) + chunk_bytes});
    left_.push_back({.item = number, .range = {at, stop}});
    at = stop;
  }
}

// Whom to tell

std::string Loading::NameOf(uint32_t node) const {
  if (context_.peers == nullptr) return "this node";
  if (node == Peers::kNobody) return context_.peers->options().name;
  return context_.peers->view()->by_index[node].name;
}

uint32_t Loading::Target(const Part& part) {
  if (context_.peers == nullptr) return Peers::kNobody;
  const AttachmentConfig& config = attachment_->config;
  const Hash128 name = NameHash(config.id, items_[part.item].asked.key);
  const uint64_t key = ChunkKey(name, part.range.begin / config.chunk_bytes);
  const uint32_t owner = context_.peers->OwnerOf(key);
  if (owner == Peers::kNobody) return owner;
  std::array<uint32_t, kMostTold> nodes{};
  const size_t count = context_.peers->Before(key, nodes);
  const auto* const target = std::find_if(nodes.begin(), nodes.begin() + count,
                                          [&](uint32_t node) { return !silent_.contains(node); });
  const bool others = target != nodes.begin() + count;
  if (!others || *target != owner) passed_over_.insert(NameOf(owner));
  return others ? *target : Peers::kNobody;
}

std::vector<Batch> Loading::MakeBatches() {
  std::map<uint32_t, std::vector<Part>> by_node;
  for (Part& part : std::exchange(left_, {})) by_node[Target(part)].push_back(std::move(part));
  std::vector<Batch> batches;
  for (auto& [node, parts] : by_node) {
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i % kPartsOfRequest == 0) batches.push_back({.node = node, .parts = {}});
      batches.back().parts.push_back(std::move(parts[i]));
    }
  }
  return batches;
}

// Telling

/// Has a batch done. What was not, because the node did not answer, is left for the next round.
Task<void> Loading::Send(Batch* batch) {
  const uint64_t units =
      std::min<uint64_t>({kAtOnce, batch->parts.size(), node_.load_requests.all()});
  const auto taken = co_await node_.load_requests.Take(context_.env, units, call_);
  if (!taken) {
    error_ = taken.error();
    co_return;
  }
  const Units held(node_.load_requests, units);
  std::vector<PeerLoadItem> items;
  for (const Part& part : batch->parts) {
    items.push_back(items_[part.item].object);
    items.back().offset = part.range.begin;
    items.back().size = part.range.size();
  }
  const auto told = co_await Tell(batch, std::move(items));
  if (Over()) {
    error_ = call_.cancel.cancelled()
                 ? Error(Code::kCancelled, "the load was given up")
                 : Error(Code::kDeadlineExceeded, "not all of it had come in time; ask again");
  } else if (told) {
    Settle(*batch);
  } else if (batch->node == Peers::kNobody) {
    error_ = told.error();
  } else {
    context_.env.log.Warning("load", NameOf(batch->node) + ": " + told.error().ToString());
    silent_.insert(batch->node);
    for (Part& part : batch->parts) left_.push_back(std::move(part));
  }
}

Task<Result<void>> Loading::Tell(Batch* batch, std::vector<PeerLoadItem> items) {
  if (batch->node == Peers::kNobody) {
    auto results = co_await node_.BringInAll(attachment_, &items, call_);
    for (size_t i = 0; i < results.size(); ++i) batch->parts[i].result = std::move(results[i]);
    if (context_.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
    co_return Result<void>();
  }
  wire::PeerLoadRequest request{.attachment_id = attachment_->config.id, .items = {}};
  for (const PeerLoadItem& item : items) {
    request.items.push_back({.object_size = item.info.size,
                             .modified_ns = item.info.modified_ns,
                             .offset = item.offset,
                             .size = item.size,
                             .key = item.key,
                             .etag = item.info.etag});
  }
  for (int attempt = 1;; ++attempt) {
    const auto answer =
        co_await context_.peers->Ask<wire::PeerLoadAnswer>(batch->node, request, call_);
    if (answer) {
      for (const wire::PeerLoadFailure& failure : answer->value.failures) {
        if (failure.item >= items.size()) co_return Fail(Code::kCorrupt, "an answer that is none");
        batch->parts[failure.item].result =
            Fail(wire::CodeOf(failure.status), std::string(failure.message));
      }
      co_return Result<void>();
    }
    const bool overloaded = answer.error().code() == Code::kOverloaded;
    if (!overloaded || attempt >= kOverloadedTries) co_return Fail(answer.error());
    FB_CO_TRY(co_await BackOff(context_.env, attempt, call_));
  }
}

void Loading::Settle(const Batch& batch) {
  for (const Part& part : batch.parts) {
    Item& item = items_[part.item];
    if (part.result) {
      item.bytes += part.range.size();
    } else if (part.result.error().code() == Code::kVersionChanged &&
               item.versions < kMostVersions) {
      const VersionId version = MakeVersionId(attachment_->config.id, item.asked.key,
                                              item.object.info.etag, item.object.info.size);
      context_.names.ForgetVersion(attachment_->config.id, item.asked.key, version);
      item.to_find = true;
    } else if (!item.error) {
      item.error = part.result.error();
      item.failed_at = NameOf(batch.node);
    }
  }
}

LoadReport Loading::Report() {
  LoadReport report;
  for (size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    report.bytes += item.bytes;
    if (!item.error) continue;
    if (item.failed_at.empty()) item.failed_at = NameOf(Peers::kNobody);
    report.failures.push_back({i, std::move(item.failed_at), *std::move(item.error)});
  }
  report.passed_over.assign(passed_over_.begin(), passed_over_.end());
  if (context_.peers != nullptr && context_.peers->view() != nullptr) {
    const auto& live = context_.peers->view()->map.epoch.live;
    report.nodes = static_cast<uint32_t>(std::ranges::count(live, true));
  }
  return report;
}

}  // namespace

Task<Result<LoadReport>> Node::Load(Authenticated who, std::string attachment,
                                    std::vector<LoadItem> items, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(auto of, impl_->AdmitTo(who, kRead, attachment));
  uint64_t bytes = 0;
  for (const LoadItem& item : items) {
    FB_CO_TRY(CheckKey(item.key));
    bytes += std::min(item.size, wire::kMaxLoadBytes + 1);
  }
  if (bytes > wire::kMaxLoadBytes) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("more than {} at once; load in smaller parts",
                               FormatSize(wire::kMaxLoadBytes)));
  }
  co_return co_await impl_->LoadAll(std::move(of), std::move(items), operation.call());
}

Task<Result<LoadReport>> Node::Impl::LoadAll(std::shared_ptr<const Attachment> attachment,
                                             std::vector<LoadItem> items, Call call) {
  Loading loading(*this, std::move(attachment), std::move(items), call);
  co_return co_await loading.Run();
}

}  // namespace forebay
