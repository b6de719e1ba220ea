#include "src/app/serve.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "src/app/data_directory.h"
#include "src/app/exit_status.h"
#include "src/app/membership.h"
#include "src/app/origins.h"
#include "src/app/private_file.h"
#include "src/app/process_figures.h"
#include "src/app/protocol_versions.h"
#include "src/app/signals.h"
#include "src/app/tls_files.h"
#include "src/app/token_file.h"
#include "src/front/http/server.h"
#include "src/front/native/door.h"
#include "src/front/observe/pages.h"
#include "src/front/s3/door.h"
#include "src/front/tls/layer.h"
#include "src/front/window/node_window.h"
#include "src/node/node.h"
#include "src/origin/http/text.h"
#include "src/platform/linux/log.h"
#include "src/platform/linux/loop.h"
#include "src/platform/linux/loop_threads.h"
#include "src/runtime/spread_http.h"

namespace forebay::app {
namespace {

constexpr Duration kTokenLook = std::chrono::seconds(1);
constexpr Duration kStopLook = std::chrono::milliseconds(10);
constexpr size_t kNonceSecretBytes = 32;
/// What the S3 door's secret is for; another use of the cell's gets another name.
constexpr std::string_view kUploadPurpose = "forebay s3 upload ids";
/// What cannot be given up gets so much longer than `grace`; what waits for a disk, so much again.
constexpr Duration kHangPatience = std::chrono::seconds(5);
constexpr Duration kFlushPatience = std::chrono::seconds(10);
constexpr Duration kFlushLook = std::chrono::milliseconds(20);
constexpr mode_t kSocketDirectoryMode = 0755;
constexpr mode_t kSocketMode = 0666;  // who may do what is asked of the gate, with the peer's uid

/// The directory of the socket, made where it is not there. One that another user owns could be
/// changed under us, and the node's clients led elsewhere.
Result<void> PrepareSocketDirectory(const std::string& socket) {
  const size_t slash = socket.find_last_of('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = socket.substr(0, slash);
  struct stat info{};
  if (mkdir(directory.c_str(), kSocketDirectoryMode) == 0) return {};
  if (errno != EEXIST || stat(directory.c_str(), &info) != 0) {
    return Fail(Code::kIoError, fmt::format("socket directory {}: {}; name another by --socket",
                                            directory, std::strerror(errno)));
  }
  const bool sticky = (info.st_mode & S_ISVTX) != 0;
  if (info.st_uid != geteuid() && info.st_uid != 0 && !sticky) {
    return Fail(Code::kPermissionDenied,
                fmt::format("socket directory {} belongs to user {}; name another by --socket",
                            directory, info.st_uid));
  }
  return {};
}

StoreOptions StoreOptionsOf(const NodeConfig& config, Hash128 node_id) {
  StoreOptions options;
  options.node_id = node_id;
  options.dram = {.capacity_bytes = config.dram_bytes,
                  .policy = config.policy,
                  .copies = {.keep = config.local_copies,
                             .share = static_cast<double>(config.local_copies_share) / 100}};
  for (const DiskConfig& disk : config.disks) {
    options.disks.push_back(
        {.directory = disk.directory, .size_bytes = disk.size_bytes, .policy = config.policy});
  }
  options.flush_delay = config.flush_delay;
  options.flush_backlog_bytes = config.flush_backlog_bytes;
  options.checksum_cache_bytes = config.checksum_bytes;
  return options;
}

NodeOptions NodeOptionsOf(const NodeConfig& config, Hash128 node_id) {
  NodeOptions options;
  options.store = StoreOptionsOf(config, node_id);
  options.metadata_bytes = config.metadata_bytes;
  options.negative_ttl = config.negative_ttl;
  options.fill_budget_bytes = config.fill_budget_bytes;
  options.max_origin_requests = static_cast<uint32_t>(config.origin_requests);
  options.max_waiting = static_cast<uint32_t>(config.waiting);
  options.max_origin_range_bytes = config.origin_range_bytes;
  options.random_fill_bytes = config.random_fill_bytes;
  options.slow_request = config.slow_request;
  return options;
}

observe::FetchFigures FetchFiguresOf(const http_origin::FetchCounters& counters) {
  return {.requests = counters.requests,
          .retries = counters.retries,
          .hedges = counters.hedges,
          .hedges_won = counters.hedges_won,
          .slow_downs = counters.slow_downs};
}

std::vector<Env*> All(Env& first, const std::vector<Env*>& further) {
  std::vector<Env*> all = further;
  all.push_back(&first);
  return all;
}

/// All parts of a running node, from the bottom up; they go in the opposite order.
class Server {
 public:
  /// `further` are loops on threads of their own, for the doors and for what comes from origins
  /// and peers.
  Server(const NodeConfig& config, Env& env, std::vector<Env*> further, Doorbell& bell,
         Signals& signals)
      : config_(config),
        env_(env),
        further_(std::move(further)),
        spread_http_(env, All(env, further_)),
        node_env_(WithHttp(env, spread_http_)),
        bell_(bell),
        signals_(signals),
        started_(env.clock.Now()),
        membership_(config, env, further_),
        watching_(env.executor),
        serving_http_(env.executor),
        serving_s3_(env.executor),
        serving_window_(env.executor) {
    if (!config.tokens_file.empty()) tokens_.emplace("tokens", config.tokens_file);
    if (!config.s3_keys_file.empty()) keys_.emplace("keys", config.s3_keys_file);
    if (!config.s3_tls_cert.empty()) s3_tls_.emplace(config.s3_tls_cert, config.s3_tls_key);
  }

  Task<int> Run() {
    const auto started = co_await Start();
    if (started) {
      signals_.AskFromNowOn();
      SayReady();
      co_await AwaitStop();
    }
    co_await Stop();
    co_return started ? kExitOk : Complain("node", started.error());
  }

 private:
  Task<Result<void>> Start();
  Task<Result<void>> OpenNode();
  Result<void> OpenDoors();
  Result<void> OpenHttp();
  Task<Result<void>> Join();
  Result<std::string> UploadSecret() const;
  Result<void> OpenS3();
  Result<http::HttpLayer> SecureS3();
  void SayReady();
  Task<void> AwaitStop();
  Task<void> WatchFiles();
  void ReadTokens();
  void ReadKeys();
  void ReadS3Tls();
  void Replaced(const std::string& what, const Result<void>& replaced);
  Task<void> Stop();
  Task<void> EndWhatHangs(CancelToken ended);
  Task<void> StopS3(Instant until);
  observe::Observed MakeObserved();

  const NodeConfig& config_;
  Env& env_;
  const std::vector<Env*> further_;
  SpreadHttp spread_http_;
  Env node_env_;  // of the node and its origins
  Doorbell& bell_;
  Signals& signals_;
  const Instant started_;

  std::optional<TokenFile> tokens_;
  std::optional<TokenFile> keys_;  // of the S3 door
  std::optional<TlsFiles> s3_tls_;
  http_origin::DriverParts parts_{.surroundings = SurroundingsOfProcess()};
  DataDirectory data_;
  std::unique_ptr<Gate> gate_;
  Membership membership_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<NodeWindow> window_;
  std::unique_ptr<NativeDoor> door_;
  std::unique_ptr<observe::Pages> pages_;
  std::unique_ptr<Listener> http_listener_;
  std::unique_ptr<http::HttpServer> http_;
  std::unique_ptr<s3door::S3Door> s3_door_;
  std::unique_ptr<Listener> s3_listener_;
  std::unique_ptr<tls::TlsLayer> s3_tls_layer_;  // null: it speaks plain HTTP
  std::unique_ptr<http::HttpServer> s3_;
  bool doors_open_ = false;
  CancelSource stop_watching_;
  CancelSource stop_http_;
  CancelSource stop_s3_;
  CancelSource cut_s3_;
  CancelSource stop_window_;
  TaskGroup watching_;
  TaskGroup serving_http_;
  TaskGroup serving_s3_;
  TaskGroup serving_window_;
};

Task<Result<void>> Server::Start() {
  FB_CO_ASSIGN(data_, co_await OpenDataDirectory(env_, config_.data_directory));
  FB_CO_TRY(co_await OpenNode());
  FB_CO_TRY(OpenDoors());
  FB_CO_TRY(OpenS3());
  FB_CO_TRY(OpenHttp());
  if (!config_.cell.empty()) FB_CO_TRY(co_await Join());
  if (tokens_ || keys_ || s3_tls_) watching_.Spawn(WatchFiles());
  co_return Result<void>();
}

Task<Result<void>> Server::OpenNode() {
  FB_CO_TRY(co_await membership_.Open(data_.path, parts_.surroundings));
  Gate::Options gate{.own_uid = geteuid(), .cell_secret = membership_.secret()};
  if (tokens_) {
    gate.tokens_required = true;
    FB_CO_ASSIGN(gate.token_file_text, tokens_->Read());
  }
  if (keys_) {
    gate.keys_required = true;
    FB_CO_ASSIGN(gate.key_file_text, keys_->Read());
  }
  auto made = Gate::Create(gate);
  if (!made) co_return Fail(made.error().Within("who may come"));
  gate_ = *std::move(made);
  const auto origins = [this](const AttachmentConfig& attachment) {
    return OpenOrigin(attachment.origin, parts_);
  };
  FB_CO_ASSIGN(node_, co_await Node::Open(node_env_, NodeOptionsOf(config_, data_.node_id), *gate_,
                                          membership_.registry(), origins, membership_.peers()));
  co_return Result<void>();
}

Result<void> Server::OpenDoors() {
  NativeDoorOptions options;
  if (!config_.socket.empty()) {
    FB_TRY(PrepareSocketDirectory(config_.socket));
    options.addresses.push_back("unix:" + config_.socket);
  }
  if (!config_.listen.empty()) options.addresses.push_back(config_.listen);
  const DramOptions dram{.capacity_bytes = config_.dram_bytes};
  window_ = std::make_unique<NodeWindow>(env_.memory, NodeWindow::PartsOf(*node_),
                                         window::WindowOptions::For(dram));
  serving_window_.Spawn(window_->Collect(env_, stop_window_.token()));
  options.node_id = data_.node_id;
  options.node_name = membership_.name();
  options.versions = kSpoken;
  FB_ASSIGN(options.nonce_secret, RandomBytes(kNonceSecretBytes));
  options.max_connections = static_cast<uint32_t>(config_.connections);
  // What answers hold cannot be evicted.
  options.max_pinned_bytes = std::min(options.max_pinned_bytes, config_.dram_bytes / 2);
  options.window = window_.get();
  options.status_json = [this] {
    window_->CountReads();
    return observe::StatusJson(MakeObserved());
  };
  if (!config_.cell.empty()) {
    options.cell = [this](wire::CellAction action) { return membership_.Act(action); };
  }
  door_ = std::make_unique<NativeDoor>(env_, *node_, std::move(options), further_);
  FB_TRY(door_->Start());
  doors_open_ = true;
  if (!config_.socket.empty() && chmod(config_.socket.c_str(), kSocketMode) != 0) {
    return Fail(Code::kIoError, fmt::format("{}: {}", config_.socket, std::strerror(errno)));
  }
  return {};
}

Result<void> Server::OpenHttp() {
  if (config_.http.empty()) return {};
  FB_ASSIGN(http_listener_, env_.net.Listen(config_.http));
  pages_ = std::make_unique<observe::Pages>(MakeObserved());
  http_ = std::make_unique<http::HttpServer>(
      env_, http::HttpLimits{.connections = config_.http_connections}, *pages_);
  serving_http_.Spawn(http_->Run(*http_listener_, stop_http_.token()));
  return {};
}

/// Once others can reach it.
Task<Result<void>> Server::Join() {
  const auto addresses = door_->addresses();
  const auto tcp = std::ranges::find_if(
      addresses, [](const std::string& address) { return !address.starts_with("unix:"); });
  FB_ASSERT(tcp != addresses.end());
  return membership_.Join(data_.node_id, *tcp);
}

/// What every node of the cell has; a node that stands alone keeps one of its own.
Result<std::string> Server::UploadSecret() const {
  if (membership_.secret().empty()) return ReadOrMakeSecret(data_.path + "/secret");
  const auto derived = http_origin::HmacSha256(AsBytes(membership_.secret()), kUploadPurpose);
  return std::string(AsText(derived));
}

/// What clients of the S3 door come through.
Result<http::HttpLayer> Server::SecureS3() {
  if (!s3_tls_) return http::HttpLayer();
  FB_ASSIGN(auto identity, s3_tls_->Read(env_));
  s3_tls_layer_ = std::make_unique<tls::TlsLayer>(
      std::move(identity), tls::TlsOptions{.answer_to_plain_text = http::AnswerToPlainHttp()});
  return [layer = s3_tls_layer_.get()](Env& env, std::unique_ptr<Stream> stream) {
    return layer->Secure(env, std::move(stream));
  };
}

Result<void> Server::OpenS3() {
  if (config_.s3.empty()) return {};
  FB_ASSIGN(std::string upload_secret, UploadSecret());
  FB_ASSIGN(s3_listener_, env_.net.Listen(config_.s3));
  FB_ASSIGN(http::HttpLayer layer, SecureS3());
  s3_door_ = std::make_unique<s3door::S3Door>(
      env_, *node_,
      s3door::S3DoorOptions{.region = config_.s3_region,
                            .domain = config_.s3_domain,
                            .bucket_root = config_.s3_bucket_root,
                            .max_pinned_bytes = config_.dram_bytes / 4,
                            .upload_secret = std::move(upload_secret),
                            .tls = s3_tls_.has_value()},
      further_);
  s3_ = std::make_unique<http::HttpServer>(s3door::S3Door::Limits(config_.s3_connections),
                                           s3_door_->loops(), std::move(layer));
  serving_s3_.Spawn(s3_->Run(*s3_listener_, stop_s3_.token(), cut_s3_.token()));
  return {};
}

observe::Observed Server::MakeObserved() {
  return {.version = FOREBAY_VERSION,
          .counters = &node_->counters(),
          .fetch = [this] { return FetchFiguresOf(parts_.lanes->counters()); },
          .store = [this] { return node_->store().stats(); },
          .cell = [this] { return membership_.Figures(); },
          .ready = [this] { return doors_open_ && node_->ready(); },
          .process =
              [this] {
                observe::ProcessFigures figures = ThisProcess();
                figures.uptime_ms =
                    static_cast<uint64_t>((env_.clock.Now() - started_).count() / 1'000'000);
                return figures;
              }};
}

void Server::SayReady() {
  std::string line = "ready:";
  for (const std::string& address : door_->addresses()) {
    line += (address.starts_with("unix:") ? " " : " tcp:") + address;
  }
  if (http_listener_ != nullptr) line += " http:" + http_listener_->address();
  if (s3_listener_ != nullptr) line += " s3:" + s3_listener_->address();
  fmt::print("{}\n", line);
  std::fflush(stdout);
  env_.log.Info("node",
                fmt::format("{} with {} disk tiers in {}", line, config_.disks.size(), data_.path));
}

Task<void> Server::AwaitStop() {
  while (!signals_.stop_asked()) {
    co_await bell_.Wait();
    if (!signals_.TakeReload()) continue;
    ReadTokens();
    ReadKeys();
    ReadS3Tls();
  }
  env_.log.Info("node", "asked to stop; once more stops at once");
}

void Server::ReadTokens() {
  if (!tokens_) return;
  const auto text = tokens_->Read();
  Replaced(tokens_->name(), text ? gate_->ReplaceTokens(*text) : Result<void>(Fail(text.error())));
}

void Server::ReadKeys() {
  if (!keys_) return;
  const auto text = keys_->Read();
  Replaced(keys_->name(), text ? gate_->ReplaceKeys(*text) : Result<void>(Fail(text.error())));
}

/// Connections that are there keep what they began with.
void Server::ReadS3Tls() {
  if (s3_tls_layer_ == nullptr) return;
  auto identity = s3_tls_->Read(env_);
  if (identity) s3_tls_layer_->Replace(*identity);
  Replaced(s3_tls_->name(), identity ? Result<void>() : Result<void>(Fail(identity.error())));
}

void Server::Replaced(const std::string& what, const Result<void>& replaced) {
  if (replaced) {
    env_.log.Info("node", fmt::format("read the {} again", what));
  } else {
    env_.log.Error("node", fmt::format("{}: {}; the old ones stay in force", what,
                                       replaced.error().message()));
  }
}

Task<void> Server::WatchFiles() {
  while (co_await env_.clock.Sleep(kTokenLook, stop_watching_.token())) {
    if (tokens_ && tokens_->Changed()) ReadTokens();
    if (keys_ && keys_->Changed()) ReadKeys();
    if (s3_tls_layer_ != nullptr && s3_tls_->Due(env_.clock.Now())) ReadS3Tls();
  }
}

/// A disk operation that has begun cannot be given up: of a file server that hangs it may last for
/// ever, and a stop must not. What is cached is brought to the disks before.
Task<void> Server::EndWhatHangs(CancelToken ended) {
  if (!co_await env_.clock.Sleep(config_.grace + kHangPatience, ended)) co_return;
  const auto pending = [this] {
    uint64_t bytes = 0;
    if (node_ == nullptr) return bytes;
    for (const auto& disk : node_->store().stats().disks) bytes += disk.pending_bytes;
    return bytes;
  };
  const Instant until = env_.clock.Now() + kFlushPatience;
  while (pending() > 0 && env_.clock.Now() < until) {
    if (!co_await env_.clock.Sleep(kFlushLook, ended)) co_return;
  }
  env_.log.Error("node",
                 "something hangs that cannot be given up, most likely the file system of an "
                 "origin: ending without it; what is on disk will be found at the next start");
  _exit(kExitFailed);
}

/// Lets the requests that had begun end; nothing new is taken any more.
Task<void> Server::StopS3(Instant until) {
  while (s3_ != nullptr && s3_->connections() > 0 && env_.clock.Now() < until) {
    static_cast<void>(co_await env_.clock.Sleep(kStopLook));
  }
  cut_s3_.Cancel();
  co_await serving_s3_.Join();
}

/// Whatever Start got as far as.
Task<void> Server::Stop() {
  CancelSource ended;
  TaskGroup ending(env_.executor);
  ending.Spawn(EndWhatHangs(ended.token()));
  doors_open_ = false;
  stop_watching_.Cancel();
  co_await watching_.Join();
  const Instant until = env_.clock.Now() + config_.grace;
  co_await membership_.Leave();
  stop_s3_.Cancel();
  if (door_ != nullptr) co_await door_->Stop(config_.grace);
  co_await StopS3(until);
  stop_window_.Cancel();
  co_await serving_window_.Join();
  if (node_ != nullptr) {
    co_await node_->Close(std::max(Duration(0), until - env_.clock.Now()));
  }
  stop_http_.Cancel();
  co_await serving_http_.Join();
  s3_.reset();
  s3_tls_layer_.reset();
  s3_listener_.reset();
  s3_door_.reset();
  http_.reset();
  http_listener_.reset();
  pages_.reset();
  door_.reset();
  window_.reset();
  node_.reset();
  co_await spread_http_.Close();
  co_await membership_.Close();
  ended.Cancel();
  co_await ending.Join();
}

std::optional<IoBackend> BackendOf(IoChoice io) {
  switch (io) {
    case IoChoice::kUring:
      return IoBackend::kUring;
    case IoChoice::kEpoll:
      return IoBackend::kEpoll;
    case IoChoice::kAuto:
      break;
  }
  return std::nullopt;
}

}  // namespace

int Serve(const NodeConfig& config) {
  Signals::BlockInThisThread();
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  KeepLittleFreedMemory();
  const auto log =
      MakeStderrLog(config.log_level, config.log_json ? LogFormat::kJson : LogFormat::kText);
  const LoopOptions options{.io = BackendOf(config.io), .log = log.get()};
  auto loop = Loop::Create(options);
  if (!loop) return Complain("io", loop.error());
  const auto further = LoopThreads::Start(config.loops - 1, options);
  if (!further) return Complain("loops", further.error());
  Env& env = (*loop)->env();
  Doorbell bell(env.executor);
  Signals signals(bell);
  Server server(config, env, (*further)->envs(), bell, signals);
  return (*loop)->Run(server.Run());
}

}  // namespace forebay::app
