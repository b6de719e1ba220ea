#include "src/platform/linux/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

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

/// Names of objects may contain anything: a line end in one must not look like another event, nor
/// an escape reach a terminal.
std::string OneLine(std::string_view text, bool json) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      if (json && (c == '"' || c == '\\')) out += '\\';
      out += c;
    }
  }
  return out;
}

class StderrLog final : public Log {
 public:
  StderrLog(LogLevel level, LogFormat format)
      : json_(format == LogFormat::kJson),
        logger_("forebay", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern(json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                              : "%Y-%m-%dT%H:%M:%S.%e%z %L %v");
    logger_.set_level(LevelOf(level));
    logger_.flush_on(spdlog::level::warn);
  }

  void Write(LogLevel level, std::string_view part, std::string_view text,
             std::span<const LogField> fields) override {
    if (!logger_.should_log(LevelOf(level))) return;
    if (json_) {
      std::string more;
      for (const LogField& field : fields) {
        const auto* seconds = std::get_if<double>(&field.value);
        more += seconds != nullptr
                    ? fmt::format(R"(,"{}":{:.3f})", field.name, *seconds)
                    : fmt::format(R"(,"{}":"{}")", field.name,
                                  OneLine(std::get<std::string_view>(field.value), true));
      }
      logger_.log(LevelOf(level), R"("part":"{}","text":"{}"{})", OneLine(part, true),
                  OneLine(text, true), more);
    } else {
      logger_.log(LevelOf(level), "{}: {}{}{}", part, OneLine(text, false),
                  fields.empty() ? "" : ": ", OneLine(FieldsText(fields), false));
    }
  }

 private:
  const bool json_;
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> MakeStderrLog(LogLevel level, LogFormat format) {
  return std::make_unique<StderrLog>(level, format);
}

}  // namespace forebay
