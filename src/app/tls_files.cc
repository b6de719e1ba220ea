#include "src/app/tls_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

namespace forebay::app {
namespace {

constexpr mode_t kOthers = 0007;
constexpr Duration kTicketKeysLive = std::chrono::hours(24);
constexpr int64_t kNanosPerDay = 86'400'000'000'000;

/// "until when" for people, who renew certificates by days.
std::string LeftOf(const tls::ServerIdentity& identity, int64_t now_ns) {
  if (now_ns < identity.valid_from_ns()) {
    return "is not valid yet: clients will refuse it; look at the clock of this machine";
  }
  if (now_ns >= identity.valid_until_ns()) return "has expired: clients will refuse it; renew it";
  return fmt::format("is valid for {} days", (identity.valid_until_ns() - now_ns) / kNanosPerDay);
}

}  // namespace

Result<void> TlsFiles::CheckMode() const {
  struct stat info{};
  if (stat(key_.path().c_str(), &info) != 0 || (info.st_mode & kOthers) == 0) return {};
  return Fail(Code::kPermissionDenied,
              fmt::format("{}: every user of this machine can get at it (mode {:o}): chmod 600 it; "
                          "of a secret that Kubernetes mounts, set defaultMode: 0400",
                          key_.name(), info.st_mode & ACCESSPERMS));
}

Result<std::shared_ptr<const tls::ServerIdentity>> TlsFiles::Read(Env& env) {
  read_at_ = env.clock.Now();
  // Both, so that a change of either is seen as a change of what was read.
  const auto chain = certificate_.Read();
  const auto key = key_.Read();
  if (!chain) return Fail(chain.error());
  if (!key) return Fail(key.error());
  FB_TRY(CheckMode());
  auto made = tls::ServerIdentity::Create(*chain, *key);
  if (!made) {
    std::string_view why = made.error().message();
    const bool of_key = why.starts_with("key:");
    why.remove_prefix(std::min(why.find(':'), why.size()));
    return Fail(made.error().code(),
                fmt::format("{}{}", (of_key ? key_ : certificate_).name(), why));
  }
  const int64_t now = env.clock.WallNanos();
  const bool good = now >= (*made)->valid_from_ns() && now < (*made)->valid_until_ns();
  env.log.Write(
      good ? LogLevel::kInfo : LogLevel::kWarning, "tls",
      fmt::format("{} ({}) {}", certificate_.name(), (*made)->Subject(), LeftOf(**made, now)), {});
  return made;
}

bool TlsFiles::Due(Instant now) const {
  return certificate_.Changed() || key_.Changed() || now - read_at_ >= kTicketKeysLive;
}

}  // namespace forebay::app
