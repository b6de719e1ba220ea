#include "src/origin/testing/real_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace forebay {
namespace {

constexpr std::string_view kReadyMark = "://127.0.0.1:";  // behind http or https
constexpr int kLooks = 3000;                              // for a minute: the machine may be busy
constexpr int kLookMilliseconds = 20;

/// Where ./dev has put the servers: FOREBAY_SERVERS, or build/servers beside the preset's folder.
std::string ServersDirectory() {
  const char* told = std::getenv("FOREBAY_SERVERS");
  return told != nullptr ? told : FOREBAY_SERVERS_DIRECTORY;
}

Result<std::string> Installed(const std::string& path) {
  std::string full = ServersDirectory() + "/" + path;
  if (access(full.c_str(), R_OK) == 0) return full;
  return Fail(Code::kNotFound, full + " is not there; './dev servers' installs it");
}

std::string Text(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// In the child: only what may be done between fork and exec.
[[noreturn]] void Become(char* const* arguments, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(arguments[0], arguments);
  _exit(127);
}

}  // namespace

Result<std::unique_ptr<RealServer>> RealServer::Start(std::string name,
                                                      std::vector<std::string> command) {
  std::unique_ptr<RealServer> server(new RealServer);
  server->name_ = std::move(name);
  server->output_path_ = std::filesystem::temp_directory_path() / "forebay-server-XXXXXX";
  const int output = mkostemp(server->output_path_.data(), O_CLOEXEC);
  if (output < 0) return Fail(Code::kIoError, server->output_path_ + " cannot be made");
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  server->pid_ = fork();
  if (server->pid_ == 0) Become(arguments.data(), output, parent);
  close(output);
  if (server->pid_ < 0) return Fail(Code::kInternal, std::generic_category().message(errno));
  FB_TRY(server->AwaitReady());
  return server;
}

Result<void> RealServer::AwaitReady() {
  for (int look = 0; look < kLooks; ++look) {
    const std::string said = Output();
    const size_t at = said.find(kReadyMark);
    // Until its line has ended the port may not be whole.
    if (at != std::string::npos && said.find('\n', at) != std::string::npos) {
      const size_t end = said.find_first_not_of("0123456789", at + kReadyMark.size());
      const bool tls = said.substr(0, at).ends_with("https");
      url_ = (tls ? "https" : "http") + said.substr(at, end - at);
      return {};
    }
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return Fail(Code::kUnavailable, fmt::format("{} did not start: {}", name_, said));
    }
    poll(nullptr, 0, kLookMilliseconds);
  }
  return Fail(Code::kDeadlineExceeded, fmt::format("{} is not ready: {}", name_, Output()));
}

RealServer::~RealServer() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  unlink(output_path_.c_str());
}

std::string RealServer::Output() const {
  return Text(output_path_);
}

Result<std::unique_ptr<RealServer>> RealServer::StartAzurite() {
  FB_ASSIGN(std::string program, Installed("azurite/node_modules/.bin/azurite-blob"));
  FB_ASSIGN(auto server,
            Start("Azurite", {"node", std::move(program), "--blobHost", "127.0.0.1", "--blobPort",
                              "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent",
                              "--disableTelemetry"}));
  server->url_ += std::string("/") + kAzuriteAccount;
  return server;
}

Result<std::unique_ptr<RealServer>> RealServer::StartMoto() {
  FB_ASSIGN(std::string python, Installed("moto/bin/python"));
  FB_ASSIGN(std::string program, Installed("moto/bin/moto_server"));
  return Start("moto", {std::move(python), "-u", std::move(program), "-H", "127.0.0.1", "-p", "0"});
}

}  // namespace forebay
