// An open object: which version it is, and the handle that stands for it on a connection.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "src/client/core.h"
#include "src/client/windows.h"

namespace forebay::client {

class Queue;

/// A client's own parts, shared with what it opened. Any thread.
struct Client::Impl {
  Impl(Outside out, ClientOptions given) : outside(out), options(std::move(given)) {}
  ~Impl();

  Core& core() {
    return core_of_process.Get(outside.dialer.Generation(),
                               [this] { return std::make_unique<Core>(outside, options); });
  }

  Queue& queue();
  /// nullptr where the node shares no memory, or the client was told to use none.
  Windows* windows() {
    if (!options.shared_memory || !options.node.starts_with("unix:")) return nullptr;
    Core& here = core();
    return &windows_of_process.Get(here.generation,
                                   [&here] { return std::make_unique<Windows>(here); });
  }

  const Outside outside;
  const ClientOptions options;
  PerProcess<Core> core_of_process;
  PerProcess<Queue> queue_of_process;
  PerProcess<Windows> windows_of_process;
};

/// Handles are of one connection: after a new one the file is opened again, at its version.
struct File::Impl {
  Impl(Client::Impl& of, std::string named, ObjectInfo known)
      : client(of), path(std::move(named)), info(std::move(known)) {}
  ~Impl();

  /// What one process has of it.
  struct Opened {
    explicit Opened(const Core& core, uint32_t of) : generation(core.generation), slot(of) {}
    const uint64_t generation;
    void* forgotten = nullptr;
    const uint32_t slot;  // the connection that it is read over
    std::mutex mutex;
    std::weak_ptr<Link> link;
    uint64_t serial = 0;  // of the connection that the handle is of; 0: none
    uint32_t handle = 0;
    WindowPtr window;
    // Readers in order of what is being brought in: see HintAhead.
    std::atomic<uint64_t> next{0};
    std::atomic<uint64_t> hint_until{0};
  };
  Opened& opened(Core& core) {
    return opened_of_process.Get(
        core.generation, [&core] { return std::make_unique<Opened>(core, core.NextSlot()); });
  }
  void Keep(Opened& opened, const std::shared_ptr<Link>& link, uint32_t handle);
  /// kVersionChanged where the path stands for another version by now.
  Result<uint32_t> HandleOn(Opened& opened, const std::shared_ptr<Link>& link, Instant until);

  uint64_t SizeFrom(uint64_t offset, uint64_t wanted) const {
    return offset >= info.size ? 0 : std::min(wanted, info.size - offset);
  }
  /// Exactly `into`, through a connection. It lies within the object.
  Result<void> ReadRemote(Core& core, uint64_t offset, MutableBytes into, Instant until);
  /// How many bytes of `into`, from its beginning, were in the node's memory.
  size_t ReadLocal(Core& core, uint64_t offset, MutableBytes into, Instant until);
  Result<void> Fetch(Core& core, uint64_t offset, uint64_t size, Instant until);
  /// How many bytes of `into`, from its beginning, came by waiting for them there. 0: by a
  /// connection, then.
  Result<size_t> ReadWhenThere(Core& core, uint64_t offset, MutableBytes into, Instant until);
  WindowPtr Window(Opened& opened);
  static void ExpectMore(Opened& opened, uint64_t end);
  void HintAhead(Opened& opened, uint64_t offset, uint64_t size);
  std::optional<BlockView> ViewLocal(Core& core, uint64_t offset, uint64_t size, Instant until);

  Client::Impl& client;
  const std::string path;
  const ObjectInfo info;
  PerProcess<Opened> opened_of_process;
};

/// Where a read of a File must be of the version's bytes, and all of them.
Result<void> CheckWhole(uint32_t got, size_t expected);

}  // namespace forebay::client
