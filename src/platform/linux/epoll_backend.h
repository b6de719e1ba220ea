// The loop's way to the kernel where io_uring is forbidden: edge-triggered epoll for sockets, the
// pool for files.
#pragma once

#include <memory>

#include "src/platform/linux/backend.h"
#include "src/platform/linux/file_pool.h"

namespace forebay::platform {

Result<std::unique_ptr<Backend>> MakeEpollBackend(Reactor& reactor, FilePool& pool);

}  // namespace forebay::platform
