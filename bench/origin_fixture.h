// What the rows of origins share: a fast server of objects over a directory, a node in front of
// it, and curl straight from it.
#pragma once

#include <memory>
#include <string>

#include "bench/node_fixture.h"
#include "bench/peers/nginx.h"
#include "bench/store_fixture.h"
#include "src/base/result.h"
#include "src/origin/testing/real_server.h"

namespace forebay::bench {

/// A fast server over a directory of its own, with one bucket; its files are the objects.
class FastServer {
 public:
  enum class Kind : uint8_t {
    kFiles,    // nginx: ranges by sendfile, any name and any credentials are good, no lists
    kGateway,  // versitygw: all of S3, but copies what is not a whole object
  };
  /// By TLS with a certificate of its own making: authority().
  static Result<std::unique_ptr<FastServer>> Start(Kind kind, bool tls = false);

  /// Where objects are put as plain files before the first request.
  const std::string& bucket() const { return bucket_; }
  /// For `forebay attach`; the keys are in the environment, which nodes inherit.
  std::string OriginUrl() const;
  std::string ObjectUrl(const std::string& key) const;
  /// "127.0.0.1:22019"
  std::string address() const { return url_.substr(url_.rfind('/') + 1); }
  int pid() const { return files_ != nullptr ? files_->pid() : gateway_->pid(); }
  /// A file; "": it speaks plain HTTP.
  const std::string& authority() const { return authority_; }
  /// For other files of a row.
  const std::string& directory() const { return place_.path(); }

 private:
  explicit FastServer(DiskPlace place) : place_(std::move(place)) {}
  Result<void> StartFiles(bool tls);
  Result<void> StartGateway(bool tls);
  /// Without its endings ".pem" and ".key".
  Result<std::string> MakeOwnCertificate();

  DiskPlace place_;
  std::string bucket_;
  std::string authority_;
  std::string url_;
  std::unique_ptr<RealServer> gateway_;
  std::unique_ptr<Nginx> files_;
};

/// curl, signing as the node does: `arguments` and then URLs. Bodies are thrown away.
std::string CurlCommand(const std::string& arguments);
/// "KEY:SECRET" of the server, which knows no others and is on loopback.
std::string CurlUser();
/// Makes the files of a certificate for 127.0.0.1, which signs itself, and of its key.
Result<void> MakeCertificate(const std::string& certificate, const std::string& key);
/// What the shell's `command` printed; an error where it failed.
Result<std::string> RunShell(const std::string& command);
/// What all children that have ended used of the machine's cores, in seconds.
double ChildrenCpuSeconds();

}  // namespace forebay::bench
