// A scripted node behind the real door, in a thread of its own: it can be stopped and started again
// while clients use it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "src/front/native/testing/door_world.h"
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

 private:
  Task<void> Serve(DoorWorld* world, std::string tokens) {
    co_await world->Open(std::move(tokens));
    address_ = world->door->addresses().front();
    started_ = true;
    started_.notify_all();
    co_await stop_->Wait();
    // Readers that never rest keep a door from becoming idle.
    co_await world->door->Stop(std::chrono::milliseconds(20));
    co_await world->Close();
  }

  std::string address_;
  std::unique_ptr<Loop> loop_;
  std::optional<Doorbell> stop_;
  std::atomic<bool> started_{false};
  std::thread thread_;
};

}  // namespace forebay
