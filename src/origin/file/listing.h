// The names of a directory tree as keys in byte order, page by page.
//
// A key sorts as a whole, and '/' is a byte like others: "a-b" < "a/b" < "a0". So a directory sorts
// among its siblings as if its name ended with '/'. Directories have no order themselves: of each,
// the smallest names after the last one are kept while all are read, so that memory is bounded
// however many there are; the price is that a directory of n names is read n/kSliceNames times.
#pragma once

#include "src/origin/file/root.h"
#include "src/origin/origin.h"

namespace forebay::file_origin {

inline constexpr uint32_t kMaxListLimit = 10'000;
inline constexpr size_t kSliceNames = 16'384;

/// `root` and `env` outlive it.
Task<Result<ListPage>> ListObjects(const Root& root, Env& env, ListOptions options, Call call);

}  // namespace forebay::file_origin
