#include "src/app/cli/session.h"

#include <CLI/CLI.hpp>

#include "src/client/abi/client_of.h"

namespace forebay::app {
namespace {

constexpr double kMaxTimeoutSeconds = 1e6;

static_assert(FOREBAY_INVALID_ARGUMENT == -1 - static_cast<int>(Code::kInvalidArgument));
static_assert(FOREBAY_CANCELLED == -1 - static_cast<int>(Code::kCancelled));
static_assert(FOREBAY_INTERNAL == -1 - static_cast<int>(Code::kInternal));

/// Of the call of this thread that has just failed.
std::unexpected<Error> LastError(int64_t status) {
  const bool known = status <= FOREBAY_INVALID_ARGUMENT && status >= FOREBAY_INTERNAL;
  const Code code = known ? static_cast<Code>(-1 - status) : Code::kInternal;
  return Fail(code, forebay_last_error());
}

}  // namespace

void AddNodeArguments(CLI::App& command, NodeArguments& arguments) {
  const std::string group = "Node";
  command
      .add_option("--node", arguments.node,
                  "unix:PATH or HOST:PORT [FOREBAY_NODE, then the default socket]")
      ->type_name("ADDRESS")
      ->group(group);
  command
      .add_option("--token-file", arguments.token_file,
                  "one line NAME SECRET-IN-HEX, for TCP [FOREBAY_TOKEN_FILE]")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--timeout", arguments.timeout_s,
                  "seconds that one call may take, connecting anew included [30]")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, kMaxTimeoutSeconds))
      ->group(group);
  command
      .add_flag("--no-shared-memory", arguments.no_shared_memory,
                "read through the socket even where memory could be shared")
      ->group(group);
}

Result<size_t> OpenObject::Read(MutableBytes into, uint64_t offset) {
  const int64_t size = forebay_read(file_.get(), into.data(), into.size(), offset);
  if (size < 0) return LastError(size);
  return static_cast<size_t>(size);
}

Result<std::optional<Entry>> Listing::Next() {
  forebay_entry entry{};
  const int status = forebay_list_next(list_.get(), &entry);
  if (status < 0) return LastError(status);
  if (status == 0) return std::nullopt;
  return Entry{entry.path, entry.size, entry.modified_ns, entry.is_prefix != 0};
}

Result<void> Upload::Write(Bytes bytes) {
  const int status = forebay_put_write(upload_.get(), bytes.data(), bytes.size());
  if (status < 0) return LastError(status);
  return {};
}

Result<forebay_info> Upload::Commit() {
  forebay_info info{};
  const int status = forebay_put_commit(upload_.release(), &info);
  if (status < 0) return LastError(status);
  return info;
}

Result<Session> Session::Connect(const NodeArguments& arguments) {
  forebay_options options{};
  options.size = sizeof options;
  options.node = arguments.node.empty() ? nullptr : arguments.node.c_str();
  options.token_file = arguments.token_file.empty() ? nullptr : arguments.token_file.c_str();
  options.timeout_ms = static_cast<uint32_t>(arguments.timeout_s * 1000);
  options.no_shared_memory = arguments.no_shared_memory ? 1 : 0;
  forebay_client* client = nullptr;
  const int status = forebay_connect(&options, &client);
  if (status < 0) return LastError(status);
  return Session(client);
}

client::Client& Session::client() {
  return client::ClientOf(client_.get());
}

Result<forebay_info> Session::Stat(const std::string& path) {
  forebay_info info{};
  const int status = forebay_stat(client_.get(), path.c_str(), &info);
  if (status < 0) return LastError(status);
  return info;
}

Result<OpenObject> Session::Open(const std::string& path) {
  forebay_file* file = nullptr;
  const int status = forebay_open(client_.get(), path.c_str(), &file);
  if (status < 0) return LastError(status);
  return OpenObject(file);
}

Result<Listing> Session::List(const std::string& prefix, bool one_level) {
  forebay_list* list = nullptr;
  const int status =
      forebay_list_begin(client_.get(), prefix.c_str(), one_level ? '/' : '\0', &list);
  if (status < 0) return LastError(status);
  return Listing(list);
}

Result<Upload> Session::Put(const std::string& path, bool if_absent, const std::string& if_match) {
  forebay_condition condition{};
  condition.size = sizeof condition;
  condition.if_absent = if_absent ? 1 : 0;
  condition.if_match = if_match.empty() ? nullptr : if_match.c_str();
  forebay_upload* upload = nullptr;
  const int status = forebay_put_begin(client_.get(), path.c_str(), &condition, &upload);
  if (status < 0) return LastError(status);
  return Upload(upload);
}

Result<void> Session::Remove(const std::string& path) {
  const int status = forebay_delete(client_.get(), path.c_str(), nullptr);
  if (status < 0) return LastError(status);
  return {};
}

Result<uint64_t> Session::Prefetch(const std::string& path, uint64_t offset, uint64_t size) {
  const int64_t bytes = forebay_prefetch(client_.get(), path.c_str(), offset, size);
  if (bytes < 0) return LastError(bytes);
  return static_cast<uint64_t>(bytes);
}

}  // namespace forebay::app
