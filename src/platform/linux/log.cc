#include "src/platform/linux/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace forebay {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel level)
      : logger_("forebay", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v");
    logger_.set_level(LevelOf(level));
    logger_.flush_on(spdlog::level::warn);
  }

  void Write(LogLevel level, std::string_view part, std::string_view text) override {
    logger_.log(LevelOf(level), "{}: {}", part, text);
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> MakeStderrLog(LogLevel level) {
  return std::make_unique<StderrLog>(level);
}

}  // namespace forebay
