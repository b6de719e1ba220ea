#include "src/registry/testing/real_etcd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace forebay {
namespace {

constexpr std::string_view kReadyMark = "ready to serve client requests";
constexpr int kLooks = 3000;  // for a minute: the machine may be busy
constexpr int kLookMilliseconds = 20;

/// Ports that were free a moment ago: held together, so that no two are the same.
Result<std::vector<int>> FreePorts(size_t count) {
  std::vector<int> sockets, ports;
  for (size_t i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets.push_back(fd);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd, any, size) != 0 || getsockname(fd, any, &size) != 0) break;
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : sockets) close(fd);
  if (ports.size() == count) return ports;
  return Fail(Code::kIoError, "no free loopback ports");
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

Result<pid_t> Spawn(std::vector<std::string> command, const std::string& output_path) {
  const int output = open(output_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (output < 0) return Fail(Code::kIoError, output_path + " cannot be made");
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(arguments.data(), output, parent);
  close(output);
  if (pid < 0) return Fail(Code::kInternal, "fork failed");
  return pid;
}

std::string Text(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Result<void> RunToEnd(std::vector<std::string> command, const std::string& output_path) {
  const std::string name = command[0];
  FB_ASSIGN(const pid_t pid, Spawn(std::move(command), output_path));
  int status = 0;
  if (waitpid(pid, &status, 0) == pid && status == 0) return {};
  return Fail(Code::kInternal, fmt::format("{} failed: {}", name, Text(output_path)));
}

void Put(const std::string& path, std::string_view text) {
  std::ofstream(path) << text;
}

}  // namespace

Result<std::unique_ptr<RealEtcd>> RealEtcd::Start(RealEtcdOptions options) {
  std::unique_ptr<RealEtcd> etcd(new RealEtcd);
  char pattern[] = "/tmp/forebay_etcd_XXXXXX";
  if (mkdtemp(pattern) == nullptr) return Fail(Code::kIoError, "no temporary directory");
  etcd->directory_ = pattern;
  etcd->options_ = std::move(options);
  if (etcd->options_.tls) FB_TRY(etcd->MakeCertificates());
  const auto members = static_cast<size_t>(etcd->options_.members);
  FB_ASSIGN(const std::vector<int> ports, FreePorts(2 * members));
  for (size_t i = 0; i < members; ++i) {
    etcd->members_.push_back({.name = fmt::format("m{}", i),
                              .client_port = ports[2 * i],
                              .peer_port = ports[2 * i + 1]});
  }
  for (Member& member : etcd->members_) FB_TRY(etcd->Launch(member));
  for (Member& member : etcd->members_) FB_TRY(etcd->AwaitReady(member));
  return etcd;
}

RealEtcd::~RealEtcd() {
  for (int i = 0; i < members(); ++i) Kill(i);
  if (!directory_.empty()) std::filesystem::remove_all(directory_);
}

std::string RealEtcd::Endpoint(int member) const {
  return fmt::format("{}://127.0.0.1:{}", options_.tls ? "https" : "http",
                     members_[static_cast<size_t>(member)].client_port);
}

std::string RealEtcd::Url(const std::string& cell) const {
  std::string hosts;
  for (const Member& member : members_) {
    hosts += fmt::format("{}127.0.0.1:{}", hosts.empty() ? "" : ",", member.client_port);
  }
  return fmt::format("{}://{}/{}", options_.tls ? "etcds" : "etcd", hosts, cell);
}

std::string RealEtcd::UrlOf(int member, const std::string& cell) const {
  return fmt::format("{}://127.0.0.1:{}/{}", options_.tls ? "etcds" : "etcd",
                     members_[static_cast<size_t>(member)].client_port, cell);
}

Result<void> RealEtcd::MakeCertificates() {
  const auto at = [this](const char* name) { return directory_ + "/" + name; };
  const std::string output = at("openssl.out");
  Put(at("extensions"), "subjectAltName=IP:127.0.0.1\n");
  FB_TRY(RunToEnd({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                   "/CN=forebay test authority", "-keyout", at("ca.key"), "-out", at("ca.pem")},
                  output));
  FB_TRY(RunToEnd(
      {"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
       "-subj", "/CN=127.0.0.1", "-keyout", at("server.key"), "-out", at("server.csr")},
      output));
  return RunToEnd({"openssl", "x509", "-req", "-in", at("server.csr"), "-CA", at("ca.pem"),
                   "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile",
                   at("extensions"), "-out", at("server.pem")},
                  output);
}

std::vector<std::string> RealEtcd::Arguments(const Member& member) const {
  std::string cluster;
  for (const Member& one : members_) {
    cluster += fmt::format("{}{}=http://127.0.0.1:{}", cluster.empty() ? "" : ",", one.name,
                           one.peer_port);
  }
  const std::string clients =
      fmt::format("{}://127.0.0.1:{}", options_.tls ? "https" : "http", member.client_port);
  const std::string peers = fmt::format("http://127.0.0.1:{}", member.peer_port);
  std::vector<std::string> arguments = {"etcd",
                                        "--name",
                                        member.name,
                                        "--data-dir",
                                        directory_ + "/" + member.name,
                                        "--listen-client-urls",
                                        clients,
                                        "--advertise-client-urls",
                                        clients,
                                        "--listen-peer-urls",
                                        peers,
                                        "--initial-advertise-peer-urls",
                                        peers,
                                        "--initial-cluster",
                                        cluster};
  if (options_.fast) {
    for (const char* more :
         {"--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync"}) {
      arguments.emplace_back(more);
    }
  }
  if (options_.tls) {
    for (const char* more : {"--cert-file", "server.pem", "--key-file", "server.key"}) {
      arguments.push_back(more[0] == '-' ? std::string(more) : directory_ + "/" + more);
    }
  }
  arguments.insert(arguments.end(), options_.more_arguments.begin(), options_.more_arguments.end());
  return arguments;
}

std::string RealEtcd::OutputPath(const Member& member) const {
  return fmt::format("{}/{}.{}.out", directory_, member.name, member.lives);
}

std::string RealEtcd::Output(int member) const {
  return Text(OutputPath(members_[static_cast<size_t>(member)]));
}

Result<void> RealEtcd::Launch(Member& member) {
  ++member.lives;
  FB_ASSIGN(member.pid, Spawn(Arguments(member), OutputPath(member)));
  return {};
}

Result<void> RealEtcd::AwaitReady(Member& member) {
  for (int look = 0; look < kLooks; ++look) {
    const std::string said = Text(OutputPath(member));
    if (said.find(kReadyMark) != std::string::npos) return {};
    int status = 0;
    if (waitpid(member.pid, &status, WNOHANG) == member.pid) {
      member.pid = -1;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return Fail(Code::kNotFound, "there is no etcd; apt-get install etcd-server");
      }
      return Fail(Code::kUnavailable, "etcd did not start: " + said);
    }
    poll(nullptr, 0, kLookMilliseconds);
  }
  return Fail(Code::kDeadlineExceeded, "etcd is not ready: " + Text(OutputPath(member)));
}

void RealEtcd::Kill(int member) {
  Member& one = members_[static_cast<size_t>(member)];
  if (one.pid <= 0) return;
  kill(one.pid, SIGKILL);
  waitpid(one.pid, nullptr, 0);
  one.pid = -1;
}

void RealEtcd::Pause(int member) {
  kill(pid(member), SIGSTOP);
}

void RealEtcd::Resume(int member) {
  kill(pid(member), SIGCONT);
}

Result<void> RealEtcd::Restart(int member) {
  Kill(member);
  Member& one = members_[static_cast<size_t>(member)];
  FB_TRY(Launch(one));
  return AwaitReady(one);
}

}  // namespace forebay
