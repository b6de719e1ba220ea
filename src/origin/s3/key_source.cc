#include "src/origin/s3/key_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace forebay::s3 {
namespace {

class VariableKeys final : public KeySource {
 public:
  VariableKeys(const Surroundings& surroundings, std::string prefix)
      : prefix_(std::move(prefix)),
        keys_{.id = Variable(surroundings, "ACCESS_KEY_ID"),
              .secret = Variable(surroundings, "SECRET_ACCESS_KEY"),
              .token = Variable(surroundings, "SESSION_TOKEN")} {}

  Task<Result<Looked>> Look(Env&, Call) override {
    if (keys_.id.empty() && keys_.secret.empty()) {
      co_return Looked{.told = fmt::format("{}_ACCESS_KEY_ID is not set", prefix_)};
    }
    if (keys_.id.empty() || keys_.secret.empty()) {
      co_return Fail(
          Code::kPermissionDenied,
          fmt::format("of the variables {0}_ACCESS_KEY_ID and {0}_SECRET_ACCESS_KEY only "
                      "one is set",
                      prefix_));
    }
    co_return Looked{.keys = keys_, .told = fmt::format("the variable {}_ACCESS_KEY_ID", prefix_)};
  }
  bool changes() const override { return false; }

 private:
  std::string Variable(const Surroundings& surroundings, std::string_view name) const {
    return std::string(surroundings.Variable(fmt::format("{}_{}", prefix_, name)));
  }

  const std::string prefix_;
  const Keys keys_;
};

class Chain final : public KeySource {
 public:
  explicit Chain(std::vector<std::unique_ptr<KeySource>> places) : places_(std::move(places)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    std::vector<std::string> looked_at;
    for (size_t i = 0; i < places_.size(); ++i) {
      FB_CO_ASSIGN(Looked looked, co_await places_[i]->Look(env, call));
      if (looked.keys) co_return looked;
      looked_at.push_back(std::move(looked.told));
    }
    co_return Looked{.told = fmt::format("{}", fmt::join(looked_at, "; "))};
  }

 private:
  const std::vector<std::unique_ptr<KeySource>> places_;
};

std::unique_ptr<KeySource> DefaultChain(const Surroundings& surroundings, std::string_view region) {
  std::vector<std::unique_ptr<KeySource>> places;
  places.push_back(KeysOfVariables(surroundings, "AWS"));
  places.push_back(KeysOfWebIdentity(UsualWebIdentity(surroundings, region)));
  places.push_back(KeysOfProfile(UsualProfile(surroundings, ""), surroundings, region));
  places.push_back(KeysOfInstance(surroundings, false));
  return std::make_unique<Chain>(std::move(places));
}

}  // namespace

std::unique_ptr<KeySource> KeysOfVariables(const Surroundings& surroundings, std::string prefix) {
  return std::make_unique<VariableKeys>(surroundings, std::move(prefix));
}

Result<std::unique_ptr<KeySource>> MakeKeySource(std::string_view reference,
                                                 const Surroundings& surroundings,
                                                 std::string_view region) {
  const size_t colon = reference.find(':');
  const std::string_view kind = reference.substr(0, colon);
  const std::string name(colon == reference.npos ? "" : reference.substr(colon + 1));
  const bool named = !name.empty();
  if (reference.empty() || reference == "default") return DefaultChain(surroundings, region);
  if (reference == "env") return KeysOfVariables(surroundings, "AWS");
  if (kind == "env" && named) return KeysOfVariables(surroundings, name);
  if (kind == "profile" && named) {
    ProfilePlace place = UsualProfile(surroundings, name);
    place.must_exist = true;
    return KeysOfProfile(std::move(place), surroundings, region);
  }
  if (kind == "file" && named) {
    return KeysOfProfile({.paths = {name}, .must_exist = true}, surroundings, region);
  }
  if (reference == "web-identity") {
    return KeysOfWebIdentity(UsualWebIdentity(surroundings, region));
  }
  if (reference == "imds") return KeysOfInstance(surroundings, true);
  // What was given is not repeated: somebody may have put the key itself there.
  return Fail(Code::kInvalidArgument,
              "?credentials= says where keys are: default, env, env:PREFIX (variables "
              "PREFIX_ACCESS_KEY_ID, PREFIX_SECRET_ACCESS_KEY), profile:NAME, file:PATH, "
              "web-identity, imds or anonymous; it is none of these");
}

}  // namespace forebay::s3
