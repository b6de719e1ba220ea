#include "sim/world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/sim_device.h"
#include "src/runtime/sync.h"

namespace forebay::sim {
namespace {

Task<int64_t> SleepTwice(Env& env) {
  for (int i = 0; i < 2; ++i) {
    const Result<void> slept = co_await env.clock.Sleep(seconds(1));
    EXPECT_TRUE(slept.has_value());
  }
  co_return env.clock.Now().ns;
}

TEST(World, VirtualTimePassesByItself) {
  World world(1);
  Node& node = world.AddNode("a");
  EXPECT_EQ(world.Run(SleepTwice(node.env())), 2'000'000'000);
}

Task<Result<std::string>> WriteAndReadBack(Env& env) {
  FB_CO_ASSIGN(auto file, co_await env.disk.Open("/f", {.write = true, .create = true}));
  const Bytes parts[] = {AsBytes("hello "), AsBytes("world")};
  FB_CO_TRY(co_await env.disk.Write(*file, 4090, parts));
  FB_CO_TRY(co_await env.disk.Sync(*file));
  std::string text(20, '?');
  FB_CO_ASSIGN(const size_t size,
               co_await env.disk.Read(*file, 4090, std::as_writable_bytes(std::span(text))));
  co_return text.substr(0, size);
}

TEST(World, AFileHoldsWhatWasWritten) {
  World world(1);
  Node& node = world.AddNode("a");
  const auto text = world.Run(WriteAndReadBack(node.env()));
  ASSERT_TRUE(text.has_value()) << text.error().ToString();
  EXPECT_EQ(*text, "hello world");
}

}  // namespace
}  // namespace forebay::sim
