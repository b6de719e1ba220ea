// What a driver may find of its surroundings when it looks for credentials. Read once by the
// program and handed down, so that tests decide what is there.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace forebay {

struct Surroundings {
  std::map<std::string, std::string, std::less<>> variables;  // of the process
  std::string home;                                           // "~" of ~/.aws/credentials

  /// "" where it is not set.
  std::string_view Variable(std::string_view name) const {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string_view() : std::string_view(found->second);
  }
};

}  // namespace forebay
