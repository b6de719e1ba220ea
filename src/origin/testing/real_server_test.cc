#include "src/origin/testing/real_server.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace forebay {
namespace {

TEST(RealServerTest, AzuriteStartsOnAPortOfItsOwnAndEnds) {
  int pid = -1;
  {
    auto server = RealServer::StartAzurite();
    ASSERT_TRUE(server) << server.error().ToString();
    auto other = RealServer::StartAzurite();
    ASSERT_TRUE(other) << other.error().ToString();
    EXPECT_NE((*server)->url(), (*other)->url());
    EXPECT_TRUE((*server)->url().ends_with("/devstoreaccount1")) << (*server)->url();
    pid = (*server)->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(RealServerTest, MotoStarts) {
  auto server = RealServer::StartMoto();
  ASSERT_TRUE(server) << server.error().ToString();
  EXPECT_TRUE((*server)->url().starts_with("http://127.0.0.1:")) << (*server)->url();
}

TEST(RealServerTest, AProgramThatEndsIsSaidToHaveNotStarted) {
  const auto server = RealServer::Start("the shell", {"sh", "-c", "echo no such port; exit 3"});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().message(), "the shell did not start: no such port\n");
}

}  // namespace
}  // namespace forebay
