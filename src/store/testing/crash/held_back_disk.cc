#define FUSE_USE_VERSION 312
#include "src/store/testing/crash/held_back_disk.h"

#include <fuse_lowlevel.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "src/store/testing/crash/medium.h"

namespace forebay::store_testing {
namespace {

// -- The server: a file system of one file, and a thread that is told what to do with it.

constexpr fuse_ino_t kDiskInode = 2;
constexpr const char* kDiskName = "disk";

Medium& MediumOf(fuse_req_t request) {
  return *static_cast<Medium*>(fuse_req_userdata(request));
}

bool Describe(fuse_req_t request, fuse_ino_t inode, struct stat* info) {
  *info = {};
  info->st_ino = inode;
  info->st_nlink = 1;
  if (inode == FUSE_ROOT_ID) {
    info->st_mode = S_IFDIR | 0755;
  } else if (inode == kDiskInode) {
    info->st_mode = S_IFREG | 0600;
    info->st_size = static_cast<off_t>(MediumOf(request).size_bytes());
  } else {
    return false;
  }
  return true;
}

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  struct stat info;
  if (!Describe(request, inode, &info)) {
    fuse_reply_err(request, ENOENT);
  } else {
    fuse_reply_attr(request, &info, 3600);
  }
}

/// Times and the like are not kept.
void SetAttributes(fuse_req_t request, fuse_ino_t inode, struct stat*, int, fuse_file_info* file) {
  GetAttributes(request, inode, file);
}

void LookUp(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry{.ino = kDiskInode, .attr_timeout = 3600, .entry_timeout = 3600};
  if (parent != FUSE_ROOT_ID || std::string_view(name) != kDiskName ||
      !Describe(request, kDiskInode, &entry.attr)) {
    fuse_reply_err(request, ENOENT);
  } else {
    fuse_reply_entry(request, &entry);
  }
}

void OpenFile(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  MediumOf(request).Opened();
  file->direct_io = 1;  // the kernel keeps no copy that could outlive the cut
  fuse_reply_open(request, file);
}

void ReleaseFile(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  MediumOf(request).Released();
  fuse_reply_err(request, 0);
}

void ReadFile(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  const auto at = static_cast<uint64_t>(offset);
  const uint64_t end = MediumOf(request).size_bytes();
  std::vector<std::byte> bytes(at >= end ? 0 : std::min<uint64_t>(size, end - at));
  if (!MediumOf(request).Read(at, bytes)) {
    fuse_reply_err(request, EIO);
  } else {
    fuse_reply_buf(request, reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void WriteFile(fuse_req_t request, fuse_ino_t, const char* bytes, size_t size, off_t offset,
               fuse_file_info*) {
  const auto at = static_cast<uint64_t>(offset);
  const bool fits = at + size <= MediumOf(request).size_bytes();
  if (!fits || !MediumOf(request).Write(at, AsBytes({bytes, size}))) {
    fuse_reply_err(request, fits ? EIO : ENOSPC);
  } else {
    fuse_reply_write(request, size);
  }
}

void SyncFile(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  fuse_reply_err(request, MediumOf(request).Flush() ? 0 : EIO);
}

/// Closing a descriptor makes nothing durable.
void CloseFile(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  fuse_reply_err(request, 0);
}

constexpr fuse_lowlevel_ops kOperations = {.lookup = LookUp,
                                           .getattr = GetAttributes,
                                           .setattr = SetAttributes,
                                           .open = OpenFile,
                                           .read = ReadFile,
                                           .write = WriteFile,
                                           .flush = CloseFile,
                                           .release = ReleaseFile,
                                           .fsync = SyncFile};

struct Request {
  char what;
  uint64_t seed;
};

HeldBackDisk::Fate Obey(const Request& request, Medium& medium) {
  switch (request.what) {
    case 'c':
      medium.Cut();
      break;
    case 'r':
      medium.AwaitRelease();
      break;
    case 'p':
      return medium.PowerOn(request.seed);
    default:
      break;
  }
  return {};
}

}  // namespace

/// Its last act is to leave: that ends the connection, whatever still hangs on it.
int HeldBackDiskMain(const std::vector<std::string>& arguments, int channel) {
  if (arguments.size() != 2) return 2;
  Medium medium(std::stoull(arguments[1]));
  char program[] = "held-back-disk";
  char* argv[] = {program, nullptr};
  fuse_args fuse = FUSE_ARGS_INIT(1, argv);
  fuse_session* session = fuse_session_new(&fuse, &kOperations, sizeof kOperations, &medium);
  if (session == nullptr || fuse_session_mount(session, arguments[0].c_str()) != 0) return 3;
  std::thread serving([&] { fuse_session_loop(session); });
  Request request;
  while (recv(channel, &request, sizeof request, 0) == sizeof request) {
    const HeldBackDisk::Fate fate = Obey(request, medium);
    if (send(channel, &fate, sizeof fate, MSG_NOSIGNAL) != sizeof fate) break;
  }
  _exit(0);
}

// -- The test's end.

struct HeldBackDisk::Reply {
  bool come = false;
  Fate fate;
};

HeldBackDisk::HeldBackDisk(const std::string& directory, uint64_t size_bytes)
    : path_(directory + "/" + kDiskName),
      server_("held-back-disk", {directory, std::to_string(size_bytes)}) {}

HeldBackDisk::Reply HeldBackDisk::Ask(char what, uint64_t seed) {
  const Request request{.what = what, .seed = seed};
  Reply reply;
  if (send(server_.channel(), &request, sizeof request, MSG_NOSIGNAL) != sizeof request)
    return reply;
  reply.come = recv(server_.channel(), &reply.fate, sizeof reply.fate, 0) == sizeof reply.fate;
  return reply;
}

bool HeldBackDisk::ready() {
  return Ask('?').come;
}

void HeldBackDisk::Cut() {
  if (!Ask('c').come) std::abort();
}

void HeldBackDisk::AwaitRelease() {
  if (!Ask('r').come) std::abort();
}

HeldBackDisk::Fate HeldBackDisk::PowerOn(uint64_t seed) {
  const Reply reply = Ask('p', seed);
  if (!reply.come) std::abort();
  return reply.fate;
}

}  // namespace forebay::store_testing
