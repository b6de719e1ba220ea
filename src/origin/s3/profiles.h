// The files that the tools of AWS keep keys in: sections of "name = value".
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::s3 {

struct Profile {
  std::map<std::string, std::string, std::less<>> values;
  std::string_view Get(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string_view() : std::string_view(found->second);
  }
};

/// By name. "[profile x]", as ~/.aws/config has it, is x; what stands before any section is
/// "default", so that a mounted secret needs no section.
using Profiles = std::map<std::string, Profile, std::less<>>;

/// kInvalidArgument names the line, never its text, which may be a secret.
Result<Profiles> ParseProfiles(std::string_view text);

}  // namespace forebay::s3
