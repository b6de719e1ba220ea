// The only unit that sees toml++, which is large.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <fmt/format.h>
#include <toml++/toml.h>

#include "src/app/config/settings.h"

namespace forebay::app {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

std::string Where(std::string_view file, const toml::source_region& source) {
  return fmt::format("{}:{}", file, source.begin.line);
}

Result<std::string> ScalarText(const toml::node& node, const Setting& setting) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  return Fail(Code::kInvalidArgument,
              fmt::format("{} wants a {}; write it as \"text\" or a whole number", setting.name,
                          setting.type));
}

/// Lists become the text that the flag takes; their items contain no commas.
Result<std::string> ListText(const toml::array& items, const Setting& setting) {
  std::string text;
  for (const toml::node& item : items) {
    FB_ASSIGN(const std::string one, ScalarText(item, setting));
    if (one.find(',') != std::string::npos) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("'{}': an item of a list cannot contain a comma", one));
    }
    text += (text.empty() ? "" : ",") + one;
  }
  return text;
}

Result<std::string> TextOf(const toml::node& node, const Setting& setting) {
  const auto* items = node.as_array();
  if (items == nullptr) return ScalarText(node, setting);
  if (setting.form != ValueForm::kList) {
    return Fail(Code::kInvalidArgument, fmt::format("{} is one value, not a list", setting.name));
  }
  return ListText(*items, setting);
}

Error UnknownKey(std::string_view key, const toml::node& node) {
  const std::string_view nearest = NearestSetting(key);
  if (!nearest.empty()) {
    return {Code::kInvalidArgument,
            fmt::format("unknown key '{}'; did you mean '{}'?", key, nearest)};
  }
  return {Code::kInvalidArgument,
          fmt::format("unknown {} '{}'; `forebay node --help` lists the settings",
                      node.is_table() ? "table" : "key", key)};
}

}  // namespace

Result<GivenSettings> ReadToml(std::string_view text, std::string_view file_name) {
  if (text.size() > kMaxFileBytes) {
    return Fail(Code::kInvalidArgument, fmt::format("{}: {} bytes; a configuration has at most {}",
                                                    file_name, text.size(), kMaxFileBytes));
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: {}", Where(file_name, parsed.error().source()),
                            parsed.error().description()));
  }
  GivenSettings given;
  for (const auto& [key, node] : parsed.table()) {
    const std::string where = Where(file_name, key.source());
    const Setting* setting = FindSetting(key.str());
    if (setting == nullptr) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("{}: {}", where, UnknownKey(key.str(), node).message()));
    }
    auto value = TextOf(node, *setting);
    if (!value) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: {}", where, value.error().message()));
    }
    given[std::string(key.str())] = {*std::move(value), where};
  }
  return given;
}

}  // namespace forebay::app
