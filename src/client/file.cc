#include "src/client/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace forebay::client {
namespace {

/// A long read is that many requests at a time.
constexpr size_t kPiecesInFlight = 4;

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
  FB_TRY(impl_->ReadRemote(core, offset, into.first(size), core.Deadline()));
  return size;
}

Result<BlockView> File::View(uint64_t offset, uint64_t size) {
  const uint64_t block = impl_->info.block_bytes;
  size = impl_->SizeFrom(offset, std::min(size, block - offset % block));
  if (size == 0) return BlockView{};
  Core& core = impl_->client.core();
  auto copy = std::make_unique_for_overwrite<std::byte[]>(size);
  FB_TRY(impl_->ReadRemote(core, offset, {copy.get(), size}, core.Deadline()));
  const auto* bytes = copy.release();
  return BlockView{.bytes = {bytes, size}, .handle = reinterpret_cast<uintptr_t>(bytes)};
}

void File::Release(BlockView& view) {
  delete[] reinterpret_cast<std::byte*>(view.handle);
  view = {};
}

}  // namespace forebay::client
