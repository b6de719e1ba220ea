#include "src/app/cli/status_figure.h"

#include <fmt/format.h>

#include <charconv>

namespace forebay::app {
namespace {

uint64_t NumberAt(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

// Groups are flat: no parser is needed to read what we wrote ourselves.
uint64_t StatusFigure(std::string_view json, std::string_view group, std::string_view name) {
  const size_t at = json.find(fmt::format("\"{}\": {{", group));
  const size_t end = json.find('}', at);
  if (at == std::string_view::npos || end == std::string_view::npos) return 0;
  const std::string_view inside = json.substr(at, end - at);
  const std::string key = fmt::format("\"{}\": ", name);
  const size_t value = inside.find(key);
  if (value == std::string_view::npos) return 0;
  return NumberAt(inside.substr(value + key.size()));
}

/// They come last.
uint64_t DisksFigure(std::string_view json, std::string_view name) {
  uint64_t sum = 0;
  const std::string key = fmt::format("\"{}\": ", name);
  size_t at = json.find("\"disks\": [");
  while (at != std::string_view::npos && (at = json.find(key, at)) != std::string_view::npos) {
    at += key.size();
    sum += NumberAt(json.substr(at));
  }
  return sum;
}

}  // namespace forebay::app
