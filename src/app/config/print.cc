#include <fmt/format.h>

#include <algorithm>

#include "src/app/config/settings.h"

namespace forebay::app {
namespace {

constexpr size_t kCommentColumn = 40;

std::string TomlString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string TomlList(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    out += (out.empty() ? "" : ", ") + TomlString(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return "[" + out + "]";
}

std::string TomlValue(const Setting& setting, std::string_view text) {
  switch (setting.form) {
    case ValueForm::kCount:
      return std::string(text);
    case ValueForm::kList:
      return TomlList(text);
    case ValueForm::kText:
      break;
  }
  return TomlString(text);
}

/// A pipe would end the cell of a table.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string PrintConfig(const ResolvedConfig& resolved) {
  std::string out;
  for (const Setting& setting : Settings()) {
    const Given& given = resolved.chosen.find(setting.name)->second;
    const std::string line = fmt::format("{} = {}", setting.name, TomlValue(setting, given.text));
    // Where a value comes from may contain anything, if it is a file's name.
    std::string comment = given.where;
    if (setting.came_to != nullptr) comment += ": " + setting.came_to(resolved.config);
    std::ranges::replace_if(
        comment, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    out += fmt::format("{:<{}}  # {}\n", line, kCommentColumn, comment);
  }
  return out;
}

std::string SettingsMarkdown() {
  std::string out;
  std::string_view group;
  for (const Setting& setting : Settings()) {
    if (setting.group != group) {
      group = setting.group;
      out += fmt::format("\n### {}\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                         group);
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", setting.name, Cell(setting.type),
                       Cell(setting.fallback), Cell(setting.help));
  }
  return out;
}

}  // namespace forebay::app
