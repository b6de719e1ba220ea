#include "src/client/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace forebay::client {
namespace {

/// A long read is that many requests at a time.
constexpr size_t kPiecesInFlight = 4;
/// A reader in order of bytes that come in tells the node so often, for so long after the last that
/// it had to ask for.
constexpr uint64_t kHintEvery = 4u << 20;
constexpr uint64_t kHintFor = 512u << 20;

struct Piece {
  Piece(const ObjectInfo& info, uint64_t offset, MutableBytes into)
      : size(into.size()),
        exchange(info.version, info.block_bytes, offset, into),
        ticket(exchange) {}
  const size_t size;
  wire::ReadExchange exchange;
  Ticket ticket;
};

/// A range of a file on one connection.
struct RangeRead {
  Result<void> Start(size_t number, uint8_t flags = 0) {
    const size_t at = number * piece_bytes;
    const MutableBytes part = into.subspan(at, std::min(piece_bytes, into.size() - at));
    auto& piece = pieces[number % kPiecesInFlight].emplace(info, offset + at, part);
    return link.Start(
        piece.ticket,
        wire::ReadRequest{
            .handle = handle, .offset = offset + at, .size = static_cast<uint32_t>(part.size())},
        until, {}, {.flags = flags});
  }
  Result<void> Finish(size_t number) {
    Piece& piece = *pieces[number % kPiecesInFlight];
    FB_TRY(link.Await(piece.ticket, until));
    return CheckWhole(piece.exchange.size(), piece.size);
  }
  Result<void> Run() {
    const size_t count = (into.size() + piece_bytes - 1) / piece_bytes;
    size_t started = 0;
    for (size_t done = 0; done < count; ++done) {
      while (started < count && started < done + kPiecesInFlight) FB_TRY(Start(started++));
      auto finished = Finish(done);
      if (finished) continue;
      if (finished.error().code() != Code::kCorrupt || link.broken()) return finished;
      // Memory of the node may have changed since its checksums were made: it looks, and mends.
      FB_TRY(Start(done, wire::kCheckFirst));
      FB_TRY(Finish(done));
    }
    return {};
  }

  Link& link;
  const ObjectInfo& info;
  const uint32_t handle;
  const uint64_t offset;
  const MutableBytes into;
  const Instant until;
  const size_t piece_bytes = std::max<uint32_t>(1, link.info().limits.max_read_bytes);
  std::array<std::optional<Piece>, kPiecesInFlight> pieces{};
};

}  // namespace

Result<void> CheckWhole(uint32_t got, size_t expected) {
  if (got == expected) return {};
  return Fail(Code::kCorrupt,
              fmt::format("the node answered {} bytes where the object has {}", got, expected));
}

File::Impl::~Impl() {
  const uint64_t generation = client.outside.dialer.Generation();
  if (Opened* opened = opened_of_process.IfOf(generation); opened != nullptr) {
    const auto link = opened->link.lock();
    if (link && opened->serial != 0) link->Tell(0, wire::CloseRequest{.handle = opened->handle});
  }
  opened_of_process.DropOf(generation);
}

void File::Impl::Keep(Opened& opened, const std::shared_ptr<Link>& link, uint32_t handle) {
  const std::lock_guard lock(opened.mutex);
  if (opened.serial == link->serial()) {  // another thread was faster
    link->Tell(0, wire::CloseRequest{.handle = handle});
    return;
  }
  opened.link = link;
  opened.serial = link->serial();
  opened.handle = handle;
}

Result<uint32_t> File::Impl::HandleOn(Opened& opened, const std::shared_ptr<Link>& link,
                                      Instant until) {
  {
    const std::lock_guard lock(opened.mutex);
    if (opened.serial == link->serial()) return opened.handle;
  }
  FB_ASSIGN(const auto answer, link->Ask<wire::OpenAnswer>(
                                   wire::OpenRequest{.path = path, .if_match = info.etag}, until));
  if (answer.value.info.version != info.version) {
    link->Tell(0, wire::CloseRequest{.handle = answer.value.handle});
    return Fail(Code::kVersionChanged,
                path + " is another version than the one that was opened: open it anew");
  }
  Keep(opened, link, answer.value.handle);
  const std::lock_guard lock(opened.mutex);
  return opened.handle;
}

Result<void> File::Impl::ReadRemote(Core& core, uint64_t offset, MutableBytes into, Instant until) {
  if (into.empty()) return {};
  Opened& here = opened(core);
  ExpectMore(here, offset + into.size());
  return core.Retry(here.slot, until,
                    [&](const std::shared_ptr<Link>& link, Instant end) -> Result<void> {
                      FB_ASSIGN(const uint32_t handle, HandleOn(here, link, end));
                      RangeRead read{.link = *link,
                                     .info = info,
                                     .handle = handle,
                                     .offset = offset,
                                     .into = into,
                                     .until = end};
                      return read.Run();
                    });
}

// ---- In the node's memory.

WindowPtr File::Impl::Window(Opened& opened) {
  Windows* windows = client.windows();
  if (windows == nullptr) return nullptr;
  {
    const std::lock_guard lock(opened.mutex);
    if (opened.window && !opened.window->dead()) return opened.window;
  }
  WindowPtr found = windows->FindOrOpen(PathParts::Of(path).attachment, info.attachment_id);
  if (found && found->reader().block_bytes() != info.block_bytes) return nullptr;
  const std::lock_guard lock(opened.mutex);
  opened.window = found;
  return found;
}

size_t File::Impl::ReadLocal(Core& core, uint64_t offset, MutableBytes into, Instant until) {
  Opened& here = opened(core);
  const WindowPtr window = Window(here);
  if (!window) return 0;
  const size_t done = window->ReadRange(info.version, offset, into, until);
  if (done > 0 && !window->Alive()) return 0;
  if (done > 0) HintAhead(here, offset, done);
  return done;
}

/// For a reader in order of large pieces: waits until the next block is in the node's memory, and
/// copies from there. Through the connection the same bytes would be copied twice more.
Result<size_t> File::Impl::ReadWhenThere(Core& core, uint64_t offset, MutableBytes into,
                                         Instant until) {
  Opened& here = opened(core);
  const uint64_t block = info.block_bytes;
  const uint64_t most = SizeFrom(offset, block - offset % block);
  if (into.size() < std::min(most, block / 2) || !Window(here)) return size_t{0};
  ExpectMore(here, offset + std::min<uint64_t>(most, into.size()));
  FB_TRY(Fetch(core, offset, most, until));
  return ReadLocal(core, offset, into, until);
}

/// The node was asked for what ends at `end`: from there on it is told how far we are.
void File::Impl::ExpectMore(Opened& opened, uint64_t end) {
  opened.next.store(end, std::memory_order_relaxed);
  opened.hint_until.store(end + kHintFor, std::memory_order_relaxed);
}

/// Who reads in order meets what the node reads ahead in its memory, and asks for nothing; so the
/// node would stop. While bytes still come in, it is told how far we are.
void File::Impl::HintAhead(Opened& opened, uint64_t offset, uint64_t size) {
  const uint64_t end = offset + size;
  const uint64_t before = opened.next.exchange(end, std::memory_order_relaxed);
  if (before != offset || offset >= opened.hint_until.load(std::memory_order_relaxed)) return;
  if (offset / kHintEvery == end / kHintEvery) return;
  const std::lock_guard lock(opened.mutex);
  const auto link = opened.link.lock();
  if (!link || opened.serial != link->serial()) return;
  link->Tell(0, wire::ReadRequest{.handle = opened.handle, .offset = end - 1, .size = 1});
}

Result<void> File::Impl::Fetch(Core& core, uint64_t offset, uint64_t size, Instant until) {
  Opened& here = opened(core);
  FB_TRY(core.Retry(
      here.slot, until,
      [&](const std::shared_ptr<Link>& link, Instant end) -> Result<Answer<wire::FetchAnswer>> {
        FB_ASSIGN(const uint32_t handle, HandleOn(here, link, end));
        return link->Ask<wire::FetchAnswer>(
            wire::FetchRequest{.handle = handle, .offset = offset, .size = size, .path = {}}, end);
      }));
  return {};
}

std::optional<BlockView> File::Impl::ViewLocal(Core& core, uint64_t offset, uint64_t size,
                                               Instant until) {
  const WindowPtr window = Window(opened(core));
  if (!window) return std::nullopt;
  const uint64_t within = offset % info.block_bytes;
  const auto key = BlockKey::Of(info.version, static_cast<uint32_t>(offset / info.block_bytes));
  window::PinnedBlock pin;
  if (window->Pin(key, &pin, until) != window::Found::kHere) return std::nullopt;
  if (pin.bytes.size() < within + size || !window->Alive()) {
    window->reader().Unpin(pin);
    return std::nullopt;
  }
  ViewRecord* record = client.windows()->TakeRecord();
  record->window = window;
  record->pin = pin;
  return BlockView{.bytes = pin.bytes.subspan(within, size),
                   .handle = reinterpret_cast<uintptr_t>(record)};
}

// ---- The interface.

File::File(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
File::~File() = default;

const std::string& File::path() const {
  return impl_->path;
}
const ObjectInfo& File::info() const {
  return impl_->info;
}

Result<uint64_t> File::Read(uint64_t offset, MutableBytes into) {
  const uint64_t size = impl_->SizeFrom(offset, into.size());
  if (size == 0) return uint64_t{0};
  Core& core = impl_->client.core();
  const Instant until = core.Deadline();
  into = into.first(size);
  const bool in_order = impl_->opened(core).next.load(std::memory_order_relaxed) == offset;
  size_t done = impl_->ReadLocal(core, offset, into, until);
  while (in_order && done < size) {
    FB_ASSIGN(const size_t more,
              impl_->ReadWhenThere(core, offset + done, into.subspan(done), until));
    if (more == 0) break;
    done += more;
  }
  FB_TRY(impl_->ReadRemote(core, offset + done, into.subspan(done), until));
  return size;
}

Result<BlockView> File::View(uint64_t offset, uint64_t size) {
  const uint64_t block = impl_->info.block_bytes;
  size = impl_->SizeFrom(offset, std::min(size, block - offset % block));
  if (size == 0) return BlockView{};
  Core& core = impl_->client.core();
  const Instant until = core.Deadline();
  File::Impl::Opened& here = impl_->opened(core);
  if (auto view = impl_->ViewLocal(core, offset, size, until)) {
    impl_->HintAhead(here, offset, size);
    return *view;
  }
  if (impl_->Window(here)) {
    impl_->ExpectMore(here, offset + size);
    // Whole, because only whole blocks are shown.
    const uint64_t begin = offset - offset % block;
    FB_TRY(impl_->Fetch(core, begin, impl_->SizeFrom(begin, block), until));
    if (auto view = impl_->ViewLocal(core, offset, size, until)) return *view;
  }
  auto record = std::make_unique<ViewRecord>();
  record->copy = std::make_unique_for_overwrite<std::byte[]>(size);
  record->generation = core.generation;
  FB_TRY(impl_->ReadRemote(core, offset, {record->copy.get(), size}, until));
  const Bytes bytes(record->copy.get(), size);
  return BlockView{.bytes = bytes, .handle = reinterpret_cast<uintptr_t>(record.release())};
}

void File::Release(BlockView& view) {
  if (view.handle == 0) return;
  auto* record = reinterpret_cast<ViewRecord*>(view.handle);
  view = {};
  if (!record->window) {
    delete record;
    return;
  }
  // What was pinned before a fork is the parent's to let go.
  Windows* windows = impl_->client.windows_of_process.IfOf(record->generation);
  if (windows != nullptr) windows->GiveRecord(record);
}

}  // namespace forebay::client
