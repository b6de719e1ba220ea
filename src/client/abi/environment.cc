#include "src/client/abi/environment.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "src/platform/linux/dialer.h"
#include "src/platform/linux/memory.h"
#include "src/platform/linux/process.h"

namespace forebay::client {
namespace {

constexpr size_t kMaxTokenFile = 4096;

/// Empty counts as not set.
std::string_view FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

/// Where a node of this user listens that was not told otherwise; the program has the same rule.
std::string DefaultNode() {
  const uint32_t uid = platform::EffectiveUser();
  if (uid == 0) return "unix:/run/forebay/forebay.sock";
  const std::string_view runtime = FromEnvironment("XDG_RUNTIME_DIR");
  if (!runtime.empty()) return fmt::format("unix:{}/forebay.sock", runtime);
  return fmt::format("unix:/tmp/forebay-{}/forebay.sock", uid);
}

Result<wire::Token> ReadToken(const std::string& path) {
  const std::string what = "token file " + path;
  const auto text = platform::ReadSmallFile(path, kMaxTokenFile);
  // Not kNotFound: it is no object that is missing.
  if (!text) return Fail(Code::kInvalidArgument, what + ": " + text.error().message());
  auto token = wire::Token::Parse(std::string_view(*text).substr(0, text->find('\n')));
  if (!token) return Fail(token.error().Within(what));
  return token;
}

}  // namespace

Result<ClientOptions> OptionsOf(const forebay_options* given) {
  // A program built against an older header knows fewer fields: the rest are defaults.
  forebay_options options{};
  if (given != nullptr) {
    if (given->size < offsetof(forebay_options, timeout_ms)) {
      return Fail(Code::kInvalidArgument, "options: set size to sizeof(forebay_options)");
    }
    if (given->size > sizeof options) {
      return Fail(Code::kInvalidArgument,
                  "options: the program was built against a later libforebay: install that one");
    }
    std::memcpy(&options, given, given->size);
  }
  ClientOptions made;
  if (options.node != nullptr) made.node = options.node;
  if (made.node.empty()) made.node = FromEnvironment("FOREBAY_NODE");
  if (made.node.empty()) made.node = DefaultNode();
  std::string token_file = options.token_file != nullptr ? options.token_file : "";
  if (token_file.empty()) token_file = FromEnvironment("FOREBAY_TOKEN_FILE");
  if (!token_file.empty()) {
    FB_ASSIGN(made.token, ReadToken(token_file));
  }
  if (options.timeout_ms != 0) made.timeout = std::chrono::milliseconds(options.timeout_ms);
  if (options.connections != 0) made.connections = options.connections;
  if (options.pin_bytes != 0) made.pin_bytes = options.pin_bytes;
  made.shared_memory = options.no_shared_memory == 0;
  return made;
}

Outside ThisMachine() {
  // Never destroyed: a client may be used by a thread that outlives main().
  static auto* const dialer = new platform::LinuxDialer;
  static auto* const memory = new platform::LinuxMemory;
  return {.dialer = *dialer, .memory = *memory};
}

}  // namespace forebay::client
