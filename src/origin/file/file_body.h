// Reading one range of one state of a file.
#pragma once

#include <memory>
#include <string>

#include "src/origin/file/root.h"
#include "src/origin/origin.h"

namespace forebay::file_origin {

/// An open file and the state of it that is read.
struct Pinned {
  std::shared_ptr<File> file;
  FileInfo state;
};

/// Opens the object and waits, where it must, until its state can be told apart from all others.
/// Empty `if_match`: whatever state it is in.
Task<Result<Pinned>> Pin(const Root& root, Env& env, std::string key, std::string if_match,
                         Call call);

/// `root` and `env` outlive it.
std::unique_ptr<OriginBody> MakeBody(const Root& root, Env& env, Pinned pinned, uint64_t offset,
                                     uint64_t size);

}  // namespace forebay::file_origin
