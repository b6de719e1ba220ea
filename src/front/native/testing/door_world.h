// What the door's tests share, in the simulator and on Linux: a scripted node with a door before
// it, and clients.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "src/base/prng.h"
#include "src/front/native/door.h"
#include "src/front/native/testing/scripted_node.h"
#include "src/wire/connection.h"

namespace forebay {

inline std::string PatternBytes(size_t size, uint64_t seed) {
  Prng prng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(prng.Next());
  return bytes;
}

/// Whom the simulator's processes belong to; administrators by being the node's own user.
inline constexpr uint32_t kSimulatedUid = 1000;

/// Of a token file: "reader" reads, "writer" does everything.
inline const std::string kTokens =
    "reader " + std::string(64, 'a') + " /data:r\nwriter " + std::string(64, 'b') + " /data:rwla\n";

/// A served node. Open, use, Close: all on one loop.
struct DoorWorld {
  explicit DoorWorld(Env& e) : env(e) {
    options.node_name = "test";
    options.nonce_secret = std::string(32, 's');
    script.objects["/data/small"] = {PatternBytes(4096, 1), "e1"};
    script.objects["/data/odd"] = {PatternBytes(10'001, 2), "e2"};
    script.objects["/data/big"] = {PatternBytes((3u << 20) + 77, 3), "e3"};
    script.objects["/data/empty"] = {"", "e4"};
  }

  Task<void> Open(std::string tokens = "") {
    gate = Gate::Create({.token_file_text = std::move(tokens), .own_uid = kSimulatedUid}).value();
    node = (co_await OpenScripted(env, *gate, script)).value();
    door = std::make_unique<NativeDoor>(env, *node, options);
    const auto started = door->Start();
    EXPECT_TRUE(started.has_value()) << started.error().ToString();
  }
  Task<void> Close() {
    co_await door->Stop(std::chrono::seconds(5));
    EXPECT_EQ(door->connections(), 0u);
    door.reset();
    co_await node->Close({});
    node.reset();
  }
  Task<Result<std::unique_ptr<wire::Connection>>> Connect(Env& from,
                                                          wire::ConnectOptions how = {}) {
    return wire::Connection::Connect(from, door->addresses().front(), std::move(how), {});
  }

  Env& env;
  NodeScript script;
  NativeDoorOptions options;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<Node> node;
  std::unique_ptr<NativeDoor> door;
};

}  // namespace forebay
