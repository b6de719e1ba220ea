#include "src/runtime/log.h"

#include <fmt/format.h>

namespace forebay {

std::string FieldsText(std::span<const LogField> fields) {
  std::string text;
  for (const LogField& field : fields) {
    const auto* seconds = std::get_if<double>(&field.value);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", field.name,
                        seconds != nullptr ? fmt::format("{:.3f}", *seconds)
                                           : std::string(std::get<std::string_view>(field.value)));
  }
  return text;
}

}  // namespace forebay
