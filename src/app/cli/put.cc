#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/cli/local_file.h"
#include "src/app/cli/many.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::string file;
  std::string path;
  bool if_absent = false;
  std::string if_match;
  unsigned jobs = 8;
};

Result<void> Copy(InputFile& file, const std::string& name, Upload& upload, Progress& progress) {
  std::vector<std::byte> buffer(kCopyBytes);
  for (;;) {
    const auto size = ReadSome(file.fd, buffer, name);
    if (!size && size.error().code() == Code::kCancelled) {
      return Fail(Code::kCancelled, "interrupted; nothing was written");
    }
    if (!size) return Fail(size.error());
    if (*size == 0) return {};
    FB_TRY(upload.Write(Bytes(buffer).first(*size)));
    progress.Add(*size);
  }
}

Result<void> PutFile(Session& session, const Arguments& arguments, InputFile& file,
                     const std::string& name, const std::string& path, Progress& progress) {
  FB_ASSIGN(Upload upload, session.Put(path, arguments.if_absent, arguments.if_match));
  FB_TRY(Copy(file, name, upload, progress));
  FB_TRY(upload.Commit());
  return {};
}

/// All files below a directory.
Result<void> RunTree(const Arguments& arguments) {
  if (!arguments.if_match.empty()) {
    return Fail(Code::kInvalidArgument, "--if-match is for one object");
  }
  FB_ASSIGN(const std::vector<LocalFile> files, FilesBelow(arguments.file));
  if (files.empty()) return Fail(Code::kNotFound, arguments.file + ": there is no file below it");
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  uint64_t bytes = 0;
  for (const LocalFile& file : files) bytes += file.size;
  Progress progress(arguments.file, bytes);
  const auto done = ForAll(files.size(), arguments.jobs, [&](size_t n) -> Result<void> {
    const std::string name = arguments.file + "/" + files[n].name;
    InputFile file;
    FB_TRY(file.Open(name));
    const auto put =
        PutFile(session, arguments, file, name, arguments.path + files[n].name, progress);
    if (!put) return Fail(put.error().Within(name));
    return {};
  });
  if (done) fmt::print("{} objects, {}\n", files.size(), FormatSize(progress.bytes()));
  return done;
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  std::string path = arguments.path;
  if (path.ends_with('/')) {
    if (arguments.file == "-") {
      return Fail(Code::kInvalidArgument, "standard input has no name; give the whole PATH");
    }
    if (IsDirectory(arguments.file)) return RunTree(arguments);
    path += arguments.file.substr(arguments.file.find_last_of('/') + 1);
  }
  InputFile file;
  FB_TRY(file.Open(arguments.file));
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  Progress progress(arguments.file, file.size);
  return PutFile(session, arguments, file, arguments.file, path, progress);
}

}  // namespace

void AddPutCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("put", "write a file, or all below a directory, through to the origin");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("FILE", arguments->file, "a file or a directory; - is standard input")
      ->required();
  command
      ->add_option("PATH", arguments->path,
                   "/ATTACHMENT/KEY; with / at its end the file's name "
                   "is added")
      ->required();
  command->add_option("-j,--jobs", arguments->jobs, "objects at one time, of many [8]")
      ->check(CLI::Range(1u, kMaxJobs));
  command->add_flag("--if-absent", arguments->if_absent, "only where there is no such object");
  command->add_option("--if-match", arguments->if_match, "only over this version")
      ->type_name("ETAG")
      ->check([](const std::string& etag) {
        return std::string(etag.empty() ? "is empty; without it any version is written over" : "");
      });
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "When it returns, the origin has the whole object; before that nothing of it can be seen.\n\n"
      "Examples:\n  forebay put model.bin /models/\n"
      "  forebay put ./val /imagenet/val/\n"
      "  tar c src | forebay put - /backup/src.tar --if-absent\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("put " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
