#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

constexpr int kFileMode = 0666;  // cut by the umask

struct Arguments {
  NodeArguments node;
  std::string path;
  std::string file;
};

std::string LastPart(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

bool IsDirectory(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// A file that has its name only once it is whole; dropped before, nothing is left.
class WholeFile {
 public:
  explicit WholeFile(std::string path)
      : path_(std::move(path)), draft_(fmt::format("{}.{}.part", path_, getpid())) {
    fd_ = open(draft_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  }
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  ~WholeFile() {
    if (fd_ < 0) return;
    close(fd_);
    if (!named_) unlink(draft_.c_str());
  }

  Result<int> fd() const {
    if (fd_ < 0) return Failed();
    return fd_;
  }
  Result<void> Name() {
    if (rename(draft_.c_str(), path_.c_str()) != 0) return Failed();
    named_ = true;
    return {};
  }

 private:
  std::unexpected<Error> Failed() const {
    return Fail(errno == ENOENT ? Code::kNotFound : Code::kIoError,
                fmt::format("{}: {}", path_, std::strerror(errno)));
  }

  const std::string path_;
  const std::string draft_;
  int fd_ = -1;
  bool named_ = false;
};

Result<void> CopyTo(int fd, const std::string& name, OpenObject& object, const std::string& what) {
  Progress progress(what, object.info().size);
  return ReadObject(object, 0, object.info().size, [&](Bytes bytes) -> Result<void> {
    FB_TRY(WriteAll(fd, bytes, name));
    progress.Add(bytes.size());
    return {};
  });
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(OpenObject object, session.Open(arguments.path));
  const std::string name = LastPart(arguments.path);
  if (arguments.file == "-") return CopyTo(STDOUT_FILENO, "standard output", object, name);
  std::string path = arguments.file.empty() ? name : arguments.file;
  if (IsDirectory(path)) path += "/" + name;
  WholeFile file(path);
  FB_ASSIGN(const int fd, file.fd());
  FB_TRY(CopyTo(fd, path, object, name));
  return file.Name();
}

}  // namespace

void AddGetCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("get", "copy an object to a file");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY")->required();
  command->add_option("FILE", arguments->file,
                      "a file or a directory; - is standard output [the last part of PATH]");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "The file has its name once it is whole; when the copy fails, nothing is left behind.\n\n"
      "Examples:\n  forebay get /models/llama.bin\n  forebay get /models/llama.bin /tmp/\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("get " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
