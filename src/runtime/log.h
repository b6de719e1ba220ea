// What operators read. Callable from any thread.
#pragma once

#include <string_view>

namespace forebay {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

class Log {
 public:
  virtual ~Log() = default;

  /// One line: `part` is the folder that speaks ("store"), `text` names the thing and what follows
  /// from it.
  virtual void Write(LogLevel level, std::string_view part, std::string_view text) = 0;

  void Info(std::string_view part, std::string_view text) { Write(LogLevel::kInfo, part, text); }
  void Warning(std::string_view part, std::string_view text) {
    Write(LogLevel::kWarning, part, text);
  }
  void Error(std::string_view part, std::string_view text) { Write(LogLevel::kError, part, text); }
};

}  // namespace forebay
