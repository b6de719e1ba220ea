// What operators read. Callable from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace forebay {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

/// What machines look for in a line: a number in seconds, or a name.
struct LogField {
  std::string_view name;  // as in JSON, of letters and '_'
  std::variant<double, std::string_view> value;
};

/// "took 1.500, trace 00c0...", for people.
std::string FieldsText(std::span<const LogField> fields);

class Log {
 public:
  virtual ~Log() = default;

  /// One line: `part` is the folder that speaks ("store"), `text` names the thing and what follows
  /// from it.
  virtual void Write(LogLevel level, std::string_view part, std::string_view text,
                     std::span<const LogField> fields) = 0;

  void Info(std::string_view part, std::string_view text) {
    Write(LogLevel::kInfo, part, text, {});
  }
  void Warning(std::string_view part, std::string_view text,
               std::span<const LogField> fields = {}) {
    Write(LogLevel::kWarning, part, text, fields);
  }
  void Error(std::string_view part, std::string_view text) {
    Write(LogLevel::kError, part, text, {});
  }
};

}  // namespace forebay
