// The only unit that sees toml++, which is large.
//
// Its assertions can fail on what people write ("a = [}]" in 3.3.0), and a configuration must not
// end the program: they become an exception, as its other errors are, and end at ReadToml.
namespace forebay::app {
struct NotToml {};
[[noreturn]] inline void RefuseToml() {
  throw NotToml();  // tidy: allow throw: caught in this file, where the library's own are caught
}
}  // namespace forebay::app

#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(condition) \
  static_cast<void>((condition) ? static_cast<void>(0) : ::forebay::app::RefuseToml())
#include <fmt/format.h>
#include <toml++/impl/preprocessor.h>
// Letters outside of ASCII reach what 3.3.0 takes for unreachable: no such letter, then.
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return {}
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

Result<GivenSettings> SettingsOf(const toml::table& table, std::string_view file_name) {
  GivenSettings given;
  for (const auto& [key, node] : table) {
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

}  // namespace

Result<GivenSettings> ReadToml(std::string_view text, std::string_view file_name) {
  if (text.size() > kMaxFileBytes) {
    return Fail(Code::kInvalidArgument, fmt::format("{}: {} bytes; a configuration has at most {}",
                                                    file_name, text.size(), kMaxFileBytes));
  }
  try {
    return SettingsOf(toml::parse(text), file_name);
  } catch (const toml::parse_error& error) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: {}", Where(file_name, error.source()), error.description()));
  } catch (const NotToml&) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: no TOML: a bracket is closed that is not open", file_name));
  }
}

}  // namespace forebay::app
