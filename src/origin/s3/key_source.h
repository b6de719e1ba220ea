// Where keys come from. A reference names one place; the default goes through all places in the
// order in which the tools of AWS look, and stops at the first that has keys.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/s3/sigv4.h"
#include "src/origin/surroundings.h"
#include "src/runtime/env.h"

namespace forebay::s3 {

/// What one look gave. `told` is for people: where the keys came from, or why there are none.
struct Looked {
  std::optional<Keys> keys;
  std::string told;
};

/// Used from one loop; one look at a time.
class KeySource {
 public:
  virtual ~KeySource() = default;
  /// An error means that something is there and wrong: nobody looks further then. No message holds
  /// anything of what was found but names.
  virtual Task<Result<Looked>> Look(Env& env, Call call) = 0;
  /// Looking again can give other keys.
  virtual bool changes() const { return true; }
};

/// `reference` as of ?credentials=: "" or "default", "env", "env:PREFIX", "profile:NAME",
/// "file:PATH", "web-identity", "imds". kInvalidArgument lists them.
Result<std::unique_ptr<KeySource>> MakeKeySource(std::string_view reference,
                                                 const Surroundings& surroundings,
                                                 std::string_view region);

// ---- The places.

/// PREFIX_ACCESS_KEY_ID, PREFIX_SECRET_ACCESS_KEY and perhaps PREFIX_SESSION_TOKEN.
std::unique_ptr<KeySource> KeysOfVariables(const Surroundings& surroundings, std::string prefix);

struct ProfilePlace {
  std::vector<std::string> paths;  // read in this order; the first that has keys counts
  std::string profile = "default";
  bool must_exist = false;  // that there is none is an error
};
/// A profile may name keys, or a web identity. What else it can name is refused by name.
std::unique_ptr<KeySource> KeysOfProfile(ProfilePlace place, const Surroundings& surroundings,
                                         std::string_view region);
/// ~/.aws/credentials and ~/.aws/config, or where the variables say.
ProfilePlace UsualProfile(const Surroundings& surroundings, std::string_view profile);

struct WebIdentity {
  std::string token_file;
  std::string role;
  std::string session = "forebay";
  std::string endpoint;  // of STS
  std::shared_ptr<const HttpTls> tls = nullptr;
};
/// Nothing of it set: no keys. A part of it: an error.
WebIdentity UsualWebIdentity(const Surroundings& surroundings, std::string_view region);
std::unique_ptr<KeySource> KeysOfWebIdentity(WebIdentity identity);

/// The metadata service of an instance, in its second version. Patient: several tries.
std::unique_ptr<KeySource> KeysOfInstance(const Surroundings& surroundings, bool patient);

}  // namespace forebay::s3
