#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::string file;
  std::string path;
  bool if_absent = false;
  std::string if_match;
};

struct OpenFile {
  int fd = -1;
  uint64_t size = 0;  // 0: not known
  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd > STDIN_FILENO) close(fd);
  }

  Result<void> Open(const std::string& path) {
    if (path == "-") return fd = STDIN_FILENO, Result<void>();
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info{};
    if (fd < 0 || fstat(fd, &info) != 0) {
      return Fail(errno == ENOENT ? Code::kNotFound : Code::kIoError,
                  fmt::format("{}: {}", path, std::strerror(errno)));
    }
    if (S_ISDIR(info.st_mode)) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: is a directory; name a file", path));
    }
    size = static_cast<uint64_t>(info.st_size);
    return {};
  }
};

Result<void> Copy(OpenFile& file, const std::string& name, Upload& upload) {
  Progress progress(name, file.size);
  std::vector<std::byte> buffer(kCopyBytes);
  while (!Interrupted()) {
    FB_ASSIGN(const size_t size, ReadSome(file.fd, buffer, name));
    if (size == 0) return {};
    FB_TRY(upload.Write(Bytes(buffer).first(size)));
    progress.Add(size);
  }
  return Fail(Code::kCancelled, "interrupted; nothing was written");
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  OpenFile file;
  FB_TRY(file.Open(arguments.file));
  std::string path = arguments.path;
  if (path.ends_with('/')) {
    if (arguments.file == "-") {
      return Fail(Code::kInvalidArgument, "standard input has no name; give the whole PATH");
    }
    path += arguments.file.substr(arguments.file.find_last_of('/') + 1);
  }
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(Upload upload, session.Put(path, arguments.if_absent, arguments.if_match));
  FB_TRY(Copy(file, arguments.file, upload));
  FB_TRY(upload.Commit());
  return {};
}

}  // namespace

void AddPutCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("put", "write a file to an object, through to the origin");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("FILE", arguments->file, "- is standard input")->required();
  command
      ->add_option("PATH", arguments->path,
                   "/ATTACHMENT/KEY; with / at its end the file's name "
                   "is added")
      ->required();
  command->add_flag("--if-absent", arguments->if_absent, "only where there is no such object");
  command->add_option("--if-match", arguments->if_match, "only over this version")
      ->type_name("ETAG");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "When it returns, the origin has the whole object; before that nothing of it can be seen.\n\n"
      "Examples:\n  forebay put model.bin /models/\n"
      "  tar c src | forebay put - /backup/src.tar --if-absent\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("put " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
