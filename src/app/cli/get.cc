#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "src/app/cli/copy.h"
#include "src/app/cli/interrupt.h"
#include "src/app/cli/local_file.h"
#include "src/app/cli/many.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

struct Arguments {
  NodeArguments node;
  std::string path;
  std::string file;
  unsigned jobs = 8;
};

std::string LastPart(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

/// An object of a node, and what is told of its copying.
struct Source {
  Session& session;
  std::string path;
  OpenObject object;
  Progress& progress;
};

Result<void> CopyTo(int fd, const std::string& name, Source source) {
  return ReadCurrent(source.session, source.path, std::move(source.object), 0, UINT64_MAX,
                     [&](Bytes bytes) -> Result<void> {
                       FB_TRY(WriteAll(fd, bytes, name));
                       source.progress.Add(bytes.size());
                       return {};
                     });
}

Result<void> CopyToFile(const std::string& path, Source source) {
  WholeFile file(path);
  FB_ASSIGN(const int fd, file.fd());
  FB_TRY(CopyTo(fd, path, std::move(source)));
  return file.Name();
}

/// All below a prefix, into a directory.
Result<void> RunTree(Session& session, const Arguments& arguments) {
  const std::string directory = arguments.file.empty() ? "." : arguments.file;
  if (directory == "-") {
    return Fail(Code::kInvalidArgument, "many objects do not fit into standard output; use cat");
  }
  std::vector<Entry> objects;
  uint64_t bytes = 0;
  FB_ASSIGN(Listing listing, session.List(arguments.path, false));
  while (!Interrupted()) {
    FB_ASSIGN(std::optional<Entry> entry, listing.Next());
    if (!entry) break;
    bytes += entry->size;
    objects.push_back(*std::move(entry));
  }
  if (objects.empty()) {
    return Fail(Code::kNotFound, "no object has a name that begins so; `forebay ls` shows names");
  }
  Progress progress(arguments.path, bytes);
  const size_t prefix = arguments.path.size();
  const auto done = ForAll(objects.size(), arguments.jobs, [&](size_t n) -> Result<void> {
    const std::string path = directory + "/" + objects[n].path.substr(prefix);
    FB_TRY(MakeDirectories(path.substr(0, path.find_last_of('/'))));
    FB_ASSIGN(OpenObject object, session.Open(objects[n].path));
    return CopyToFile(path, {session, objects[n].path, std::move(object), progress});
  });
  if (done) fmt::print("{} objects, {}\n", objects.size(), FormatSize(progress.bytes()));
  return done;
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  if (arguments.path.ends_with('/')) return RunTree(session, arguments);
  FB_ASSIGN(OpenObject object, session.Open(arguments.path));
  const std::string name = LastPart(arguments.path);
  Progress progress(name, object.info().size);
  Source source{session, arguments.path, std::move(object), progress};
  if (arguments.file == "-" || IsStandardOutput(arguments.file)) {
    return CopyTo(STDOUT_FILENO, "standard output", std::move(source));
  }
  std::string path = arguments.file.empty() ? name : arguments.file;
  if (IsDirectory(path)) path += "/" + name;
  return CopyToFile(path, std::move(source));
}

}  // namespace

void AddGetCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("get", "copy an object to a file, or all below a prefix to a directory");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("PATH", arguments->path, "/ATTACHMENT/KEY, or /ATTACHMENT/PREFIX/")
      ->required();
  command->add_option("FILE", arguments->file,
                      "a file or a directory; - is standard output [the last part of PATH]");
  command->add_option("-j,--jobs", arguments->jobs, "objects at one time, of many [8]")
      ->check(CLI::Range(1u, kMaxJobs));
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "The file has its name once it is whole; when the copy fails, nothing is left behind.\n\n"
      "Examples:\n  forebay get /models/llama.bin\n  forebay get /models/llama.bin /tmp/\n"
      "  forebay get /imagenet/val/ ./val\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("get " + arguments->path, done.error());
  });
}

}  // namespace forebay::app
