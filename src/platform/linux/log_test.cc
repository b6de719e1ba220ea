#include "src/platform/linux/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forebay {
namespace {

using testing::MatchesRegex;

std::string Written(LogFormat format, std::string_view text) {
  testing::internal::CaptureStderr();
  const auto log = MakeStderrLog(LogLevel::kWarning, format);
  log->Write(LogLevel::kInfo, "store", "not worth a line");
  log->Write(LogLevel::kWarning, "store", text);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesOneLineAnEvent) {
  EXPECT_THAT(Written(LogFormat::kText, "a\nb \x1b[31m \"c\""),
              MatchesRegex("[0-9T:.+-]+ W store: a\\\\u000ab \\\\u001b\\[31m \"c\"\n"));
}

TEST(Log, WritesJsonThatIsOne) {
  EXPECT_THAT(Written(LogFormat::kJson, "a\n\"b\" \\ {}"),
              MatchesRegex("\\{\"time\":\"[0-9T:.+-]+\",\"level\":\"warning\",\"part\":\"store\","
                           "\"text\":\"a\\\\u000a\\\\\"b\\\\\" \\\\\\\\ \\{\\}\"\\}\n"));
}

}  // namespace
}  // namespace forebay
