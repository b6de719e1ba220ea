// A process that reads until it is told to stop, and believes no byte. For tests that do things to
// its node meanwhile.
//
//   steady_reader make FOLDER COUNT SIZE         makes COUNT objects whose bytes are known
//   steady_reader read PREFIX COUNT SIZE SEED PROGRESS [no-shared-memory]
//
// `read` takes its node from FOREBAY_NODE, goes on until standard input ends, and writes to the
// file PROGRESS how many reads were right. It ends with 1 and a message at the first that was not.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "include/forebay/forebay.h"
#include "src/base/prng.h"

namespace forebay {
namespace {

constexpr uint32_t kTimeoutMs = 100'000;  // a busy machine may take long to start a node
constexpr uint64_t kMostAtOnce = 300'000;
constexpr size_t kBatch = 8;
constexpr size_t kHeldViews = 4;

/// The bytes of an object from an offset on: known to every process, and no two words are alike.
std::string Expected(uint64_t object, uint64_t offset, uint64_t size) {
  const uint64_t skipped = offset % sizeof(uint64_t);
  std::string bytes;
  bytes.reserve(skipped + size + sizeof(uint64_t));
  for (uint64_t at = offset - skipped; at < offset + size; at += sizeof(uint64_t)) {
    const uint64_t word = Mix64((object << 48) ^ at);
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return bytes.substr(skipped, size);
}

int Make(const std::string& folder, uint64_t count, uint64_t size) {
  for (uint64_t object = 0; object < count; ++object) {
    std::ofstream(folder + "/" + std::to_string(object), std::ios::binary)
        << Expected(object, 0, size);
  }
  return 0;
}

/// Reads by every call that the library has, and checks what comes.
class Reader {
 public:
  Reader(std::string prefix, uint64_t count, uint64_t size, uint64_t seed)
      : prefix_(std::move(prefix)), count_(count), size_(size), prng_(seed), files_(count) {}
  ~Reader() {
    while (!held_.empty()) std::ignore = Release();
    for (forebay_file* file : files_) forebay_close(file);
    forebay_disconnect(client_);
  }

  bool Connect(bool no_shared_memory) {
    forebay_options options{};
    options.size = sizeof options;
    options.timeout_ms = kTimeoutMs;
    options.no_shared_memory = no_shared_memory ? 1 : 0;
    return forebay_connect(&options, &client_) >= 0 || Failed("connect");
  }

  /// One step of what programs do; false after the first that went wrong.
  bool Step() {
    const uint64_t object = prng_.Below(count_);
    if (files_[object] == nullptr &&
        forebay_open(client_, PathOf(object).c_str(), &files_[object]) < 0) {
      return Failed("open " + PathOf(object));
    }
    const uint64_t offset = prng_.Below(size_);
    switch (prng_.Below(8)) {
      case 0:
        return Close(object);
      case 1:
        return GetMany();
      case 2:
      case 3:
        return Look(object, offset);
      default:
        return Read(object, offset, 1 + prng_.Below(prng_.OneIn(3) ? kMostAtOnce : 5000));
    }
  }

 private:
  struct Held {
    forebay_view view;
    uint64_t object;
    uint64_t offset;
  };

  std::string PathOf(uint64_t object) const { return prefix_ + std::to_string(object); }
  bool Failed(const std::string& what) const {
    std::fprintf(stderr, "%s: %s\n", what.c_str(), forebay_last_error());
    return false;
  }
  bool Check(uint64_t object, uint64_t offset, std::string_view bytes) const {
    if (bytes == Expected(object, offset, bytes.size())) return true;
    std::fprintf(stderr, "%s: wrong bytes within %zu at %zu\n", PathOf(object).c_str(),
                 bytes.size(), static_cast<size_t>(offset));
    return false;
  }

  bool Read(uint64_t object, uint64_t offset, uint64_t size) {
    into_.resize(size);
    const int64_t got = forebay_read(files_[object], into_.data(), size, offset);
    if (got < 0) return Failed("read " + PathOf(object));
    if (static_cast<uint64_t>(got) != std::min(size, size_ - offset)) {
      std::fprintf(stderr, "%s: %lld bytes of %zu at %zu\n", PathOf(object).c_str(),
                   static_cast<long long>(got), static_cast<size_t>(size),
                   static_cast<size_t>(offset));
      return false;
    }
    return Check(object, offset, std::string_view(into_).substr(0, got));
  }

  /// A view stays what it is for as long as it is held, whatever becomes of the node.
  bool Look(uint64_t object, uint64_t offset) {
    Held held{.view = {}, .object = object, .offset = offset};
    if (forebay_view_at(files_[object], offset, 1 + prng_.Below(5000), &held.view) < 0) {
      return Failed("view " + PathOf(object));
    }
    held_.push_back(held);
    return CheckHeld(held) && (held_.size() < kHeldViews || Release());
  }
  bool CheckHeld(const Held& held) const {
    return Check(held.object, held.offset,
                 std::string_view(static_cast<const char*>(held.view.data), held.view.size));
  }
  /// Unless views of it are held: they belong to the file.
  bool Close(uint64_t object) {
    const auto of_it = [object](const Held& held) { return held.object == object; };
    if (std::ranges::none_of(held_, of_it)) forebay_close(std::exchange(files_[object], nullptr));
    return true;
  }
  /// The oldest view; false if its bytes are no longer right.
  bool Release() {
    Held held = held_.front();
    held_.erase(held_.begin());
    const bool right = CheckHeld(held);
    forebay_release(files_[held.object], &held.view);
    return right;
  }

  bool GetMany() {
    std::vector<std::string> into(kBatch, std::string(4096, '\0'));
    std::vector<std::string> paths;
    std::vector<uint64_t> objects;
    std::vector<forebay_get> items(kBatch);
    for (size_t i = 0; i < kBatch; ++i) {
      objects.push_back(prng_.Below(count_));
      paths.push_back(PathOf(objects[i]));
    }
    for (size_t i = 0; i < kBatch; ++i) {
      items[i] = {.path = paths[i].c_str(),
                  .into = into[i].data(),
                  .size = into[i].size(),
                  .offset = prng_.Below(size_ - into[i].size()),
                  .result = 0};
    }
    if (forebay_get_many(client_, items.data(), kBatch) != static_cast<int64_t>(kBatch)) {
      return Failed("batch of " + paths[0] + " and others");
    }
    for (size_t i = 0; i < kBatch; ++i) {
      if (!Check(objects[i], items[i].offset, into[i])) return false;
    }
    return true;
  }

  const std::string prefix_;
  const uint64_t count_;
  const uint64_t size_;
  Prng prng_;
  forebay_client* client_ = nullptr;
  std::vector<forebay_file*> files_;
  std::vector<Held> held_;
  std::string into_;
};

bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, 0) != 0;
}

int ReadUntilTold(Reader& reader, const char* progress, bool no_shared_memory) {
  const int file = open(progress, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || !reader.Connect(no_shared_memory)) return 1;
  uint64_t reads = 0;
  while (!InputEnded()) {
    if (!reader.Step()) return 1;
    ++reads;
    if (pwrite(file, &reads, sizeof reads, 0) != sizeof reads) return 1;
  }
  close(file);
  return 0;
}

}  // namespace
}  // namespace forebay

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (argc == 5 && words[1] == "make") {
    return forebay::Make(words[2], std::stoull(words[3]), std::stoull(words[4]));
  }
  if (argc < 7 || words[1] != "read") {
    std::fprintf(stderr, "see the beginning of steady_reader.cc\n");
    return 2;
  }
  forebay::Reader reader(words[2], std::stoull(words[3]), std::stoull(words[4]),
                         std::stoull(words[5]));
  return forebay::ReadUntilTold(reader, words[6].c_str(), argc > 7);
}
