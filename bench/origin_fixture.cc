#include "bench/origin_fixture.h"

#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <array>
#include <filesystem>

namespace forebay::bench {
namespace {

constexpr int kPort = 22019;
constexpr const char* kKey = "forebaybench";
constexpr const char* kSecret = "forebaybenchsecret";

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

Result<std::unique_ptr<FastServer>> FastServer::Start(Kind kind, bool tls) {
  FB_ASSIGN(DiskPlace place, DiskPlace::Make());
  auto made = std::unique_ptr<FastServer>(new FastServer(std::move(place)));
  made->bucket_ = made->place_.path() + "/store/bucket";
  std::filesystem::create_directories(made->bucket_);
  setenv("BENCH_ACCESS_KEY_ID", kKey, 1);
  setenv("BENCH_SECRET_ACCESS_KEY", kSecret, 1);
  FB_TRY(kind == Kind::kFiles ? made->StartFiles(tls) : made->StartGateway(tls));
  return made;
}

Result<std::string> FastServer::MakeOwnCertificate() {
  const std::string base = place_.path() + "/server";
  authority_ = base + ".pem";
  FB_TRY(MakeCertificate(authority_, base + ".key"));
  return base;
}

Result<void> FastServer::StartFiles(bool tls) {
  Nginx::Options options{
      .root = place_.path() + "/store", .directory = place_.path() + "/nginx", .pinned = false};
  if (tls) {
    FB_ASSIGN(options.tls, MakeOwnCertificate());
  }
  FB_ASSIGN(files_, Nginx::Start(options));
  url_ = fmt::format("{}://{}", tls ? "https" : "http", files_->address());
  return {};
}

Result<void> FastServer::StartGateway(bool tls) {
  const std::string program = FOREBAY_SERVERS_DIRECTORY "/versitygw/versitygw";
  if (!std::filesystem::exists(program)) {
    return Fail(Code::kNotFound, program + " is not there; './dev bench' installs it, with Go");
  }
  // Its own keys come from the environment, too.
  setenv("ROOT_ACCESS_KEY_ID", kKey, 1);
  setenv("ROOT_SECRET_ACCESS_KEY", kSecret, 1);
  std::vector<std::string> command = {program, "--port", fmt::format("127.0.0.1:{}", kPort),
                                      "--keep-alive", "--disable-acl"};
  if (tls) {
    FB_ASSIGN(const std::string base, MakeOwnCertificate());
    command.insert(command.end(), {"--cert", base + ".pem", "--key", base + ".key"});
  }
  command.insert(command.end(), {"posix", "--default-etag", "\"00000000000000000000000000000000\"",
                                 place_.path() + "/store"});
  FB_ASSIGN(gateway_, RealServer::Start("versitygw", std::move(command)));
  url_ = gateway_->url();
  return {};
}

std::string FastServer::OriginUrl() const {
  return fmt::format("s3://bucket?endpoint={}&credentials=env:BENCH{}{}", url_,
                     authority_.empty() ? "" : "&ca=", authority_);
}

std::string FastServer::ObjectUrl(const std::string& key) const {
  return fmt::format("{}/bucket/{}", url_, key);
}

std::string CurlCommand(const std::string& arguments) {
  return fmt::format(
      "curl -sS -f --aws-sigv4 aws:amz:us-east-1:s3 --user {} "
      "-H x-amz-content-sha256:UNSIGNED-PAYLOAD {}",
      CurlUser(), arguments);
}

std::string CurlUser() {
  return fmt::format("{}:{}", kKey, kSecret);
}

Result<void> MakeCertificate(const std::string& certificate, const std::string& key) {
  FB_TRY(RunShell(
      fmt::format("umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                  "-days 30 -subj /CN=bench -addext subjectAltName=IP:127.0.0.1 -keyout {} -out {}",
                  key, certificate)));
  return {};
}

Result<std::string> RunShell(const std::string& command) {
  FILE* pipe = popen(("(" + command + ") 2>&1").c_str(), "r");
  if (pipe == nullptr) return Fail(Code::kInternal, "popen");
  std::string said;
  std::array<char, 4096> piece;
  while (const size_t got = fread(piece.data(), 1, piece.size(), pipe)) {
    said.append(piece.data(), got);
  }
  if (pclose(pipe) != 0) {
    return Fail(Code::kInternal, fmt::format("{}: {}", command.substr(0, 200), said));
  }
  return said;
}

double ChildrenCpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  return Seconds(used.ru_utime) + Seconds(used.ru_stime);
}

}  // namespace forebay::bench
