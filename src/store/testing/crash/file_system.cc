#include "src/store/testing/crash/file_system.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace forebay::store_testing {
namespace {

std::unexpected<Error> Unsupported(const std::string& what) {
  return Fail(Code::kUnsupported, what + ": " + strerror(errno));
}

/// Between asking for a free device and taking it somebody else may have.
constexpr int kTries = 100;

}  // namespace

Result<void> EnterOwnMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0) return Unsupported("a mount namespace of its own");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return Unsupported("private mounts");
  return {};
}

Result<LoopDevice> LoopDevice::Attach(const std::string& file) {
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return Unsupported("/dev/loop-control");
  const int backing = open(file.c_str(), O_RDWR | O_CLOEXEC);
  Result<LoopDevice> device = Fail(Code::kUnsupported, "no free loop device");
  for (int tries = 0; tries < kTries && !device && backing >= 0; ++tries) {
    const int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    const std::string path = "/dev/loop" + std::to_string(number);
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) break;
    loop_config config{};
    config.fd = static_cast<uint32_t>(backing);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
      device = LoopDevice(fd, path);
    } else {
      close(fd);
    }
  }
  if (!device) device = Unsupported("a loop device over " + file);
  if (backing >= 0) close(backing);
  close(control);
  return device;
}

LoopDevice::LoopDevice(LoopDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

LoopDevice::~LoopDevice() {
  if (fd_ >= 0) close(fd_);
}

Result<Mount> Mount::Make(const std::string& source, const std::string& directory,
                          const std::string& type, const std::string& options) {
  if (mount(source.c_str(), directory.c_str(), type.c_str(), 0, options.c_str()) != 0) {
    return Unsupported("mount " + type + " from " + source);
  }
  return Mount(directory);
}

Mount::~Mount() {
  if (!directory_.empty()) umount2(directory_.c_str(), MNT_DETACH);
}

Result<void> MakeFileSystem(const std::string& type, const std::string& device) {
  const std::string program = "mkfs." + type;
  const char* force = type == "xfs" ? "-f" : "-F";
  const pid_t child = fork();
  if (child == 0) {
    setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
    execlp(program.c_str(), program.c_str(), "-q", force, device.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return Fail(Code::kUnsupported, program + " is not installed");
  }
  return Fail(Code::kIoError, program + " " + device + " failed");
}

}  // namespace forebay::store_testing
