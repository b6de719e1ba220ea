#include "src/app/cli/status_figure.h"

#include <fmt/format.h>

#include <charconv>

namespace forebay::app {

// Groups are flat: no parser is needed to read what we wrote ourselves.
uint64_t StatusFigure(std::string_view json, std::string_view group, std::string_view name) {
  const size_t at = json.find(fmt::format("\"{}\": {{", group));
  const size_t end = json.find('}', at);
  if (at == std::string_view::npos || end == std::string_view::npos) return 0;
  const std::string_view inside = json.substr(at, end - at);
  const std::string key = fmt::format("\"{}\": ", name);
  const size_t value = inside.find(key);
  if (value == std::string_view::npos) return 0;
  uint64_t number = 0;
  std::from_chars(inside.data() + value + key.size(), inside.data() + inside.size(), number);
  return number;
}

}  // namespace forebay::app
