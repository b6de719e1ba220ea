// A disk whose power can be cut: a file, served through FUSE by a process of its own, for a loop
// device to lie on.
//
// What is written is held back in that process's memory until the loop device flushes, which
// reaches us as an fsync of the file. A cut drops what is held back: of each 4 KiB by chance all,
// nothing, or some of its sectors reached the medium.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/result.h"
#include "src/store/testing/crash/child.h"

namespace forebay::store_testing {

class HeldBackDisk {
 public:
  /// What a cut did to the pages that were not flushed.
  struct Fate {
    uint64_t kept = 0;
    uint64_t dropped = 0;
    uint64_t torn = 0;
  };

  /// Serves `directory`/disk, of `size_bytes`, mounted in the mount namespace of the caller.
  HeldBackDisk(const std::string& directory, uint64_t size_bytes);

  /// False: the server could not mount; it has said why.
  bool ready();
  const std::string& path() const { return path_; }

  /// From now on everything fails, and nothing reaches the medium any more.
  void Cut();
  /// Returns when nobody has the file open.
  void AwaitRelease();
  /// Power again, over what chance has left of the medium.
  Fate PowerOn(uint64_t seed);

 private:
  struct Reply;
  Reply Ask(char what, uint64_t seed = 0);

  const std::string path_;
  Child server_;
};

}  // namespace forebay::store_testing
