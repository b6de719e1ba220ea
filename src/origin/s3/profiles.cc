#include "src/origin/s3/profiles.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::s3 {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

/// "a # b" is "a", as AWS reads it; a '#' within a word is the word's.
std::string_view WithoutComment(std::string_view value) {
  for (const std::string_view mark : {" #", " ;", "\t#", "\t;"}) {
    value = value.substr(0, value.find(mark));
  }
  return Trimmed(value);
}

std::string SectionName(std::string_view inside) {
  inside = Trimmed(inside);
  constexpr std::string_view kProfile = "profile";
  const bool prefixed = inside.starts_with(kProfile) && inside.size() > kProfile.size() &&
                        kSpace.find(inside[kProfile.size()]) != kSpace.npos;
  return std::string(prefixed ? Trimmed(inside.substr(kProfile.size())) : inside);
}

}  // namespace

Result<Profiles> ParseProfiles(std::string_view text) {
  Profiles profiles;
  std::string section = "default";
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view raw = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), raw.size() + 1));
    const std::string_view line = Trimmed(raw);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const auto wrong = [&](std::string_view why) {
      return Fail(Code::kInvalidArgument, fmt::format("line {}: {}", number, why));
    };
    if (line[0] == '[') {
      const size_t end = line.find(']');
      if (end == line.npos) return wrong("a section lacks its ']'");
      section = SectionName(line.substr(1, end - 1));
      profiles[section];
      continue;
    }
    // "s3 =" with indented lines below it: settings of other tools.
    if (kSpace.find(raw[0]) != kSpace.npos) continue;
    const size_t equals = line.find('=');
    if (equals == line.npos) return wrong("neither [section] nor name = value");
    std::string name(Trimmed(line.substr(0, equals)));
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    profiles[section].values[name] = WithoutComment(line.substr(equals + 1));
  }
  return profiles;
}

}  // namespace forebay::s3
