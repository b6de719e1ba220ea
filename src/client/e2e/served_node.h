// A scripted node behind the real door, in a thread of its own: it can be stopped and started again
// while clients use it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "src/front/native/testing/door_world.h"
#include "src/front/window/node_window.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/doorbell.h"

namespace forebay {

class ServedNode {
 public:
  explicit ServedNode(std::string address) : address_(std::move(address)) {}
  ~ServedNode() { Stop(); }

  /// `prepare` sets the scene before anybody is let in.
  void Start(std::function<void(DoorWorld&)> prepare = {}, std::string tokens = "") {
    auto loop = Loop::Create({.io = IoBackend::kEpoll});
    ASSERT_TRUE(loop.has_value()) << loop.error().ToString();
    loop_ = std::move(*loop);
    stop_.emplace(loop_->env().executor);
    started_ = false;
    thread_ = std::thread([this, prepare, tokens] {
      DoorWorld world(loop_->env());
      world.options.addresses = {address_};
      if (prepare) prepare(world);
      loop_->Run(Serve(&world, tokens));
    });
    started_.wait(false);
  }
  void Stop() {
    if (!thread_.joinable()) return;
    stop_->Ring();
    thread_.join();
    stop_.reset();
    loop_.reset();
  }
  /// With the port that was taken.
  const std::string& address() const { return address_; }
  /// Blocks that clients read in place, ever.
  uint64_t local_hits() const { return local_hits_; }

 private:
  Task<void> Serve(DoorWorld* world, std::string tokens) {
    // As DoorWorld::Open, with a window between the node and its door.
    world->gate = Gate::Create({.token_file_text = std::move(tokens), .own_uid = getuid()}).value();
    world->node = (co_await OpenScripted(world->env, *world->gate, world->script)).value();
    NodeWindow window(world->env.memory, world->node->store(),
                      window::WindowOptions::For({.capacity_bytes = 64 << 20}),
                      [](const Authenticated&, AttachmentId) { return Result<void>(); });
    world->options.window = &window;
    world->door = std::make_unique<NativeDoor>(world->env, *world->node, world->options);
    const auto listening = world->door->Start();
    EXPECT_TRUE(listening) << listening.error().ToString();
    address_ = world->door->addresses().front();
    TaskGroup group(world->env.executor);
    CancelSource over;
    group.Spawn(Publish(world, &window, over.token()));
    started_ = true;
    started_.notify_all();
    co_await stop_->Wait();
    over.Cancel();
    co_await group.Join();
    // Readers that never rest keep a door from becoming idle.
    co_await world->door->Stop(std::chrono::milliseconds(20));
    EXPECT_EQ(window.open_windows(), 0u);
    co_await world->Close();
  }

  /// The scripted node tells nobody what its names stand for.
  Task<void> Publish(DoorWorld* world, NodeWindow* window, CancelToken over) {
    constexpr AttachmentId kScripted = 7;
    for (;;) {
      const Instant fresh_until = world->env.clock.Now() + std::chrono::seconds(60);
      for (const auto& [path, object] : world->script.objects) {
        window->windows().PublishName(kScripted, std::string_view(path).substr(6),
                                      {.version = MakeVersionId(kScripted, path, object.etag),
                                       .size_bytes = object.bytes.size(),
                                       .modified_ns = 5,
                                       .fresh_until_ns = fresh_until.ns,
                                       .etag = object.etag});
      }
      const auto reads = window->windows().Drain();
      local_hits_ += reads.hits;
      if (!co_await world->env.clock.Sleep(std::chrono::milliseconds(10), over)) break;
    }
  }

  std::atomic<uint64_t> local_hits_{0};
  std::string address_;
  std::unique_ptr<Loop> loop_;
  std::optional<Doorbell> stop_;
  std::atomic<bool> started_{false};
  std::thread thread_;
};

}  // namespace forebay
