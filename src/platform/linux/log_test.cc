#include "src/platform/linux/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forebay {
namespace {

using testing::MatchesRegex;

std::string Written(LogFormat format, std::string_view text,
                    std::span<const LogField> fields = {}) {
  testing::internal::CaptureStderr();
  const auto log = MakeStderrLog(LogLevel::kWarning, format);
  log->Info("store", "not worth a line");
  log->Warning("store", text, fields);
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

TEST(Log, WritesFieldsForPeopleAndForMachines) {
  const LogField fields[] = {{"took", 1.5}, {"trace", "a\"b"}};
  EXPECT_THAT(Written(LogFormat::kText, "slow", fields),
              testing::EndsWith(" W store: slow: took 1.500, trace a\"b\n"));
  EXPECT_THAT(Written(LogFormat::kJson, "slow", fields),
              testing::EndsWith(R"("text":"slow","took":1.500,"trace":"a\"b"})"
                                "\n"));
}

}  // namespace
}  // namespace forebay
