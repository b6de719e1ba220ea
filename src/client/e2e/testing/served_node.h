// A node over files, with its door and its window, in a thread of its own: it can be stopped and
// started again while clients use it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/front/native/door.h"
#include "src/front/window/node_window.h"
#include "src/origin/file/file_origin.h"
#include "src/platform/linux/loop.h"
#include "src/registry/embedded/embedded_registry.h"
#include "src/runtime/doorbell.h"

namespace forebay {

inline std::string PatternBytes(size_t size, uint64_t seed) {
  Prng prng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(prng.Next());
  return bytes;
}

/// Serves "/data" from DIRECTORY/origin.
class ServedNode {
 public:
  static constexpr uint64_t kDramBytes = 64 * kMiB;

  ServedNode(std::string directory, std::string address)
      : directory_(std::move(directory)), address_(std::move(address)) {
    std::filesystem::create_directories(directory_ + "/origin");
  }
  ~ServedNode() { Stop(); }

  /// By rename, as programs that mean well do.
  void WriteObject(const std::string& key, std::string_view bytes) {
    const std::string path = directory_ + "/origin/" + key;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(directory_ + "/new", std::ios::binary) << bytes;
    std::filesystem::rename(directory_ + "/new", path);
  }

  void Start() {
    auto loop = Loop::Create({.io = IoBackend::kEpoll});
    ASSERT_TRUE(loop.has_value()) << loop.error().ToString();
    loop_ = std::move(*loop);
    stop_.emplace(loop_->env().executor);
    started_ = false;
    thread_ = std::thread([this] { loop_->Run(Serve(loop_->env())); });
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
  /// Blocks that clients of this life of the node read in place.
  uint64_t local_hits() const { return counters_.load()->read.local_hits.value(); }
  /// Bytes that it sent to them by messages.
  uint64_t sent_bytes() const { return counters_.load()->read.bytes.value(); }
  uint64_t misses() const { return counters_.load()->read.misses.value(); }
  uint64_t fills() const { return counters_.load()->fill.fills.value(); }
  uint64_t requests() const { return counters_.load()->door.requests.value(); }

 private:
  Task<void> Serve(Env& env) {
    const auto gate = Gate::Create({.token_file_text = {}, .own_uid = getuid()}).value();
    const auto registry = (co_await EmbeddedRegistry::Open(env, directory_ + "/registry")).value();
    NodeOptions options;
    options.store.dram.capacity_bytes = kDramBytes;
    options.metadata_bytes = 4 * kMiB;
    const auto node =
        (co_await Node::Open(env, options, *gate, *registry, [](const AttachmentConfig& config) {
          return FileOrigin::Create(config.origin);
        })).value();
    if (node->Attachments(gate->AdmitSelf()).empty()) {
      AttachmentConfig config;
      config.name = "data";
      config.origin = "file://" + directory_ + "/origin";
      const auto attached = co_await node->Attach(gate->AdmitSelf(), config, {});
      EXPECT_TRUE(attached) << attached.error().ToString();
    }
    counters_ = &node->counters();
    {
      NodeWindow window(env.memory, NodeWindow::PartsOf(*node),
                        window::WindowOptions::For(options.store.dram));
      co_await ServeDoor(env, *node, window);
    }
    co_await node->Close({});
  }

  Task<void> ServeDoor(Env& env, Node& node, NodeWindow& window) {
    NativeDoorOptions options;
    options.addresses = {address_};
    options.node_name = "test";
    options.nonce_secret = std::string(32, 's');
    options.window = &window;
    NativeDoor door(env, node, options);
    const auto listening = door.Start();
    EXPECT_TRUE(listening) << listening.error().ToString();
    if (listening) address_ = door.addresses().front();
    TaskGroup group(env.executor);
    CancelSource over;
    group.Spawn(window.Collect(env, over.token()));
    started_ = true;
    started_.notify_all();
    co_await stop_->Wait();
    over.Cancel();
    co_await group.Join();
    // Readers that never rest keep a door from becoming idle.
    if (listening) co_await door.Stop(std::chrono::milliseconds(20));
    EXPECT_EQ(window.open_windows(), 0u);
  }

  const std::string directory_;
  std::string address_;
  std::unique_ptr<Loop> loop_;
  std::optional<Doorbell> stop_;
  std::atomic<bool> started_{false};
  std::atomic<Counters*> counters_{nullptr};
  std::thread thread_;
};

}  // namespace forebay
