// The loop's way to the kernel over io_uring.
#pragma once

#include <memory>

#include "src/platform/linux/backend.h"
#include "src/platform/linux/file_pool.h"

namespace forebay::platform {

/// Fails with kUnsupported, and the kernel's reason, where io_uring is refused or too old.
Result<std::unique_ptr<Backend>> MakeUringBackend(Reactor& reactor, FilePool& pool);

}  // namespace forebay::platform
