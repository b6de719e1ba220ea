// A file system that shows a folder, read-only, and keeps nothing: every look and every read comes
// to this process. Stopped (SIGSTOP), it is a file server that hangs; killed, one that is gone.
//
//   stoppable_files FOLDER MOUNTPOINT     runs until it is told to end; prints "mounted" first
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string folder;

int Answer(int result) {
  return result < 0 ? -errno : result;
}

void* Init(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
  std::puts("mounted");
  std::fflush(stdout);
  return nullptr;
}

int GetAttributes(const char* path, struct stat* info, fuse_file_info* file) {
  return Answer(file != nullptr ? fstat(static_cast<int>(file->fh), info)
                                : lstat((folder + path).c_str(), info));
}

int Open(const char* path, fuse_file_info* file) {
  const int fd = open((folder + path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  file->fh = static_cast<uint64_t>(fd);
  file->direct_io = 1;  // the kernel keeps nothing either
  return 0;
}

int Read(const char*, char* into, size_t size, off_t offset, fuse_file_info* file) {
  return Answer(static_cast<int>(pread(static_cast<int>(file->fh), into, size, offset)));
}

int Release(const char*, fuse_file_info* file) {
  return close(static_cast<int>(file->fh));
}

int ReadDirectory(const char* path, void* into, fuse_fill_dir_t fill, off_t, fuse_file_info*,
                  fuse_readdir_flags) {
  DIR* directory = opendir((folder + path).c_str());
  if (directory == nullptr) return -errno;
  while (const dirent* entry = readdir(directory)) {
    fill(into, entry->d_name, nullptr, 0, fuse_fill_dir_flags{});
  }
  closedir(directory);
  return 0;
}

constexpr fuse_operations kOperations = {.getattr = GetAttributes,
                                         .open = Open,
                                         .read = Read,
                                         .release = Release,
                                         .readdir = ReadDirectory,
                                         .init = Init};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: stoppable_files FOLDER MOUNTPOINT\n");
    return 2;
  }
  char* whole = realpath(argv[1], nullptr);  // libfuse goes to /
  if (whole == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  folder = whole;
  std::free(whole);
  char foreground[] = "-f";
  char* arguments[] = {argv[0], foreground, argv[2], nullptr};
  return fuse_main(3, arguments, &kOperations, nullptr);
}
