// A client that does one thing again and again when told: "client read|view|get
// shared-memory|socket COUNT" with the node of FOREBAY_NODE. Says "warm" once all it will read is
// warm, does it COUNT times for each line of standard input, and says "done".
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "include/forebay/forebay.h"

namespace {

constexpr uint64_t kLarge = 1u << 20;
constexpr uint64_t kSmall = 4096;
constexpr uint64_t kObjects = 8;  // of 1 MiB each in /data/object

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, forebay_last_error());
  std::exit(1);
}

class Client {
 public:
  explicit Client(bool shared_memory) : into_(kLarge) {
    forebay_options options{};
    options.size = sizeof options;
    options.connections = 1;
    options.no_shared_memory = shared_memory ? 0 : 1;
    if (forebay_connect(&options, &client_) < 0) Fail("connect");
    if (forebay_open(client_, "/data/object", &file_) < 0) Fail("open");
  }

  void Read(uint64_t n) {
    const uint64_t at = n % kObjects * kLarge;
    if (forebay_read(file_, into_.data(), kLarge, at) != static_cast<int64_t>(kLarge)) Fail("read");
  }
  void View(uint64_t n) {
    forebay_view view;
    if (forebay_view_at(file_, n % kObjects * kLarge, kLarge, &view) < 0) Fail("view");
    forebay_release(file_, &view);
  }
  void Get(uint64_t) {
    forebay_get item{
        .path = "/data/small", .into = into_.data(), .size = kSmall, .offset = 0, .result = 0};
    if (forebay_get_many(client_, &item, 1) != 1) Fail("get");
  }

 private:
  forebay_client* client_ = nullptr;
  forebay_file* file_ = nullptr;
  std::vector<char> into_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string_view what = argv[1];
  const bool shared_memory = std::string_view(argv[2]) == "shared-memory";
  const uint64_t count = std::strtoull(argv[3], nullptr, 10);
  Client client(shared_memory);
  const auto repeat = [&] {
    for (uint64_t i = 0; i < count; ++i) {
      if (what == "read") {
        client.Read(i);
      } else if (what == "view") {
        client.View(i);
      } else {
        client.Get(i);
      }
    }
  };
  repeat();
  std::puts("warm");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
    repeat();
    std::puts("done");
    std::fflush(stdout);
  }
  return 0;
}
