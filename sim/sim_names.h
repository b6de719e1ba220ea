// The names of one file system: as they are now, and as a power cut would leave them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/range_set.h"
#include "sim/sim_file_image.h"
#include "src/base/prng.h"

namespace forebay::sim {

/// The numbers of files: the lowest that nothing holds any more is given out next, as file systems
/// do, so that whoever takes a number for a file finds out.
class InodeNumbers {
 public:
  uint64_t Take();
  void GiveBack(uint64_t number) { free_.insert(number); }

 private:
  uint64_t next_ = 2;
  std::set<uint64_t> free_;
};

/// A file without its names.
struct Inode {
  explicit Inode(std::shared_ptr<InodeNumbers> from)
      : numbers(std::move(from)), number(numbers->Take()) {}
  ~Inode() { numbers->GiveBack(number); }
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  /// A name or an open file more, or less. What nothing holds uses no space, even while a crash
  /// could still bring it back.
  void Hold() {
    if (holds++ == 0) *used_bytes += image.allocated_bytes();
  }
  void Release() {
    if (--holds == 0) *used_bytes -= image.allocated_bytes();
  }

  const std::shared_ptr<InodeNumbers> numbers;
  const uint64_t number;
  bool directory = false;
  uint32_t holds = 0;
  uint32_t links = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  SimFileImage image;
  RangeSet bad;                          // answers EIO for ever
  const void* locked_by = nullptr;       // the open file that holds the lock
  std::shared_ptr<uint64_t> used_bytes;  // the device's count
};
using InodeRef = std::shared_ptr<Inode>;

/// "/a/b" of "a//b/"; "/" of "".
std::string NormalPath(std::string_view path);
/// "/a" of "/a/b"; "/" of "/a".
std::string ParentPath(std::string_view path);

/// Names map to inodes. A change is durable once its directory was synced; until then a crash keeps
/// or loses it, in order (a journal) or each by itself. What a lost directory held is lost with it.
class SimNames {
 public:
  /// Holds `root` (the mount point), durably.
  SimNames(const std::string& root_path, InodeRef root);

  /// Null where there is none.
  InodeRef Find(const std::string& path) const;
  void Link(const std::string& path, InodeRef inode);
  void Unlink(const std::string& path);
  void Rename(const std::string& from, const std::string& to);
  std::vector<std::string> ChildrenOf(const std::string& directory) const;
  void SyncDirectory(const std::string& path);

  struct Tally {
    uint64_t kept = 0;
    uint64_t lost = 0;
  };
  Tally Crash(Prng& prng);

  const std::map<std::string, InodeRef>& all() const { return current_; }

 private:
  /// from == "": a link; to == "": an unlink; both: a rename.
  struct Change {
    std::string from;
    std::string to;
    InodeRef inode;
  };
  using Table = std::map<std::string, InodeRef>;
  static void Apply(Table& table, const Change& change);
  void DropOrphans();

  const std::string root_;
  Table current_;
  Table durable_;
  std::vector<Change> between_;
};

}  // namespace forebay::sim
