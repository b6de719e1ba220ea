// Keys in files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "src/origin/http/request.h"
#include "src/origin/s3/key_source.h"
#include "src/origin/s3/profiles.h"

namespace forebay::s3 {
namespace {

using http_origin::ReadSmallFile;

/// What profiles may name and this driver does not do: better said than overlooked.
constexpr std::string_view kNotOffered[] = {"credential_process", "sso_session", "sso_start_url",
                                            "source_profile", "credential_source"};

class ProfileKeys final : public KeySource {
 public:
  ProfileKeys(ProfilePlace place, std::string home, WebIdentity usual)
      : place_(std::move(place)), home_(std::move(home)), usual_(std::move(usual)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override;

 private:
  /// nullopt: this file has nothing for us.
  Task<Result<std::optional<Looked>>> LookInto(Env& env, std::string path, Call call);
  Task<Result<Looked>> AsWebIdentity(Env& env, Profile profile, Call call);
  std::unexpected<Error> Wrong(std::string_view path, std::string_view why) const {
    return Fail(Code::kPermissionDenied, fmt::format("credentials of {}: {}", path, why));
  }

  const ProfilePlace place_;
  const std::string home_;
  const WebIdentity usual_;  // its service of tokens is where profiles' are changed, too
};

Task<Result<Looked>> ProfileKeys::Look(Env& env, Call call) {
  for (size_t i = 0; i < place_.paths.size(); ++i) {
    FB_CO_ASSIGN(auto looked, co_await LookInto(env, place_.paths[i], call));
    if (looked) co_return std::move(*looked);
  }
  const std::string why =
      fmt::format("{} {} no profile '{}' with keys", fmt::join(place_.paths, " and "),
                  place_.paths.size() > 1 ? "have" : "has", place_.profile);
  if (place_.must_exist) co_return Fail(Code::kPermissionDenied, why);
  co_return Looked{.told = why};
}

Task<Result<std::optional<Looked>>> ProfileKeys::LookInto(Env& env, std::string path, Call call) {
  const auto text = co_await ReadSmallFile(env, path);
  if (!text && text.error().code() == Code::kNotFound) co_return std::nullopt;
  if (!text) co_return Fail(text.error().Within("credentials"));
  const auto profiles = ParseProfiles(*text);
  if (!profiles) co_return Wrong(path, profiles.error().message());
  const auto found = profiles->find(place_.profile);
  if (found == profiles->end()) co_return std::nullopt;
  const Profile& profile = found->second;
  const std::string_view id = profile.Get("aws_access_key_id");
  const std::string_view secret = profile.Get("aws_secret_access_key");
  if (!id.empty() && !secret.empty()) {
    co_return Looked{.keys = Keys{.id = std::string(id),
                                  .secret = std::string(secret),
                                  .token = std::string(profile.Get("aws_session_token"))},
                     .told = fmt::format("profile '{}' of {}", place_.profile, path)};
  }
  if (!id.empty() || !secret.empty()) {
    co_return Wrong(path, fmt::format("profile '{}' has only one of aws_access_key_id and "
                                      "aws_secret_access_key",
                                      place_.profile));
  }
  if (!profile.Get("web_identity_token_file").empty()) {
    co_return co_await AsWebIdentity(env, profile, call);
  }
  for (const std::string_view name : kNotOffered) {
    if (profile.Get(name).empty()) continue;
    co_return Wrong(path, fmt::format("profile '{}' names its keys by {}, which is not offered; "
                                      "write keys to a file and use credentials=file:PATH",
                                      place_.profile, name));
  }
  co_return std::nullopt;
}

Task<Result<Looked>> ProfileKeys::AsWebIdentity(Env& env, Profile profile, Call call) {
  WebIdentity identity{.token_file = std::string(profile.Get("web_identity_token_file")),
                       .role = std::string(profile.Get("role_arn")),
                       .endpoint = usual_.endpoint,
                       .tls = usual_.tls};
  if (identity.token_file.starts_with("~/")) identity.token_file.replace(0, 1, home_);
  const std::string_view session = profile.Get("role_session_name");
  if (!session.empty()) identity.session = session;
  const auto source = KeysOfWebIdentity(std::move(identity));
  auto looked = co_await source->Look(env, call);
  if (looked) looked->told += fmt::format(" (profile '{}')", place_.profile);
  co_return looked;
}

}  // namespace

ProfilePlace UsualProfile(const Surroundings& surroundings, std::string_view profile) {
  const auto path = [&](std::string_view variable, std::string_view usual) {
    std::string set(surroundings.Variable(variable));
    if (set.starts_with("~/")) set.replace(0, 1, surroundings.home);
    return set.empty() ? fmt::format("{}/.aws/{}", surroundings.home, usual) : set;
  };
  ProfilePlace place{.paths = {path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                               path("AWS_CONFIG_FILE", "config")}};
  const std::string_view chosen = surroundings.Variable("AWS_PROFILE");
  if (!chosen.empty()) place.profile = chosen;
  if (!profile.empty()) place.profile = profile;
  // Whoever chooses a profile by name does not want another's keys.
  place.must_exist = !chosen.empty();
  return place;
}

std::unique_ptr<KeySource> KeysOfProfile(ProfilePlace place, const Surroundings& surroundings,
                                         std::string_view region) {
  for (std::string& path : place.paths) {
    if (path.starts_with("~/")) path.replace(0, 1, surroundings.home);
  }
  return std::make_unique<ProfileKeys>(std::move(place), surroundings.home,
                                       UsualWebIdentity(surroundings, region));
}

}  // namespace forebay::s3
