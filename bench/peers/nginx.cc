#include "bench/peers/nginx.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bench/child.h"
#include "bench/origin_fixture.h"

namespace forebay::bench {
namespace {

constexpr int kPort = 22020;  // and the next, without sendfile, and the one after it, by TLS

/// Descriptors stay open, nothing is logged, connections are kept for ever, and what fits goes into
/// one packet. Large buffers are for where there is no sendfile.
std::string Configuration(const Nginx::Options& options, int port) {
  const std::string& own = options.directory;
  std::string text = fmt::format(
      "daemon off;\nmaster_process off;\nworker_processes 1;\npid {}/nginx.pid;\n"
      "error_log {}/nginx.log;\nevents {{ worker_connections 4096; multi_accept on; use epoll; }}\n"
      "http {{\n  access_log off;\n  sendfile {};\n  tcp_nopush on;\n  tcp_nodelay on;\n"
      "  keepalive_requests 1000000000;\n  keepalive_timeout 3600s;\n"
      "  open_file_cache max=10000 inactive=3600s;\n  open_file_cache_valid 3600s;\n"
      "  open_file_cache_min_uses 1;\n  output_buffers 2 512k;\n"
      "  default_type binary/octet-stream;\n",
      own, own, options.sendfile ? "on" : "off");
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += fmt::format("  {}_temp_path {}/{};\n", kind, own, kind);
  }
  if (!options.tls.empty()) {
    text += fmt::format("  ssl_certificate {0}.pem; ssl_certificate_key {0}.key;\n", options.tls);
  }
  return text + fmt::format("  server {{ listen 127.0.0.1:{}{}; root {}; }}\n}}\n", port,
                            options.tls.empty() ? "" : " ssl", options.root);
}

}  // namespace

Result<std::unique_ptr<Nginx>> Nginx::Start(const Options& options) {
  const auto program = RunShell("PATH=$PATH:/usr/sbin command -v nginx");
  if (!program) return Fail(Code::kNotFound, "nginx is not installed");
  const std::string path = program->substr(0, program->find('\n'));
  const bool tls = !options.tls.empty();
  const int port = kPort + (tls ? 2 : options.sendfile ? 0 : 1);
  std::error_code ignored;
  std::filesystem::create_directories(options.directory, ignored);
  const std::string file = options.directory + "/nginx.conf";
  std::ofstream(file) << Configuration(options, port);
  const int pid = fork();
  if (pid < 0) return Fail(Code::kInternal, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options.pinned) PinTo(kServerCore);
    const int log = open((options.directory + "/said").c_str(), O_CREAT | O_WRONLY, 0644);
    dup2(log, STDERR_FILENO);
    execl(path.c_str(), "nginx", "-c", file.c_str(), "-p", options.directory.c_str(), nullptr);
    _exit(127);
  }
  std::unique_ptr<Nginx> nginx(new Nginx(pid, fmt::format("127.0.0.1:{}", port), options.sendfile));
  FB_TRY(
      RunShell(fmt::format("for try in $(seq 50); do curl -sk -o /dev/null {}://{}/ && exit 0; "
                           "sleep 0.1; done; cat {}/said; exit 1",
                           tls ? "https" : "http", nginx->address(), options.directory)));
  return nginx;
}

Nginx::~Nginx() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace forebay::bench
