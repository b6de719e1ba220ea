#include "src/app/membership.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "src/app/protocol_versions.h"
#include "src/app/token_file.h"
#include "src/registry/embedded/embedded_registry.h"
#include "src/registry/etcd/etcd_registry.h"

namespace forebay::app {
namespace {

constexpr size_t kMinSecretBytes = 32;
/// For the registry to answer, and for the map to take this node up.
constexpr Duration kOpenPatience = std::chrono::seconds(20);
constexpr Duration kJoinPatience = std::chrono::seconds(45);

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Result<std::string> ReadSecret(const std::string& path) {
  FB_ASSIGN(std::string text, TokenFile("cell secret", path).Read());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  if (text.size() >= kMinSecretBytes && text.find('\n') == text.npos) return text;
  return Fail(Code::kInvalidArgument,
              fmt::format("{}: expected one line of at least {} characters, for example from "
                          "`openssl rand -hex 32`",
                          path, kMinSecretBytes));
}

}  // namespace

std::string Membership::name() const {
  return config_.name.empty() ? HostName() : config_.name;
}

Task<Result<void>> Membership::Open(std::string data, const Surroundings& surroundings) {
  if (config_.cell.empty()) {
    FB_CO_ASSIGN(registry_, co_await EmbeddedRegistry::Open(env_, data + "/registry"));
    co_return Result<void>();
  }
  FB_CO_TRY(CheckNodeName(name()));
  auto secret = ReadSecret(config_.cell_secret_file);
  if (!secret) co_return Fail(secret.error());
  secret_ = *std::move(secret);
  FB_CO_ASSIGN(EtcdUrl url, EtcdUrl::Parse(config_.cell));
  FB_CO_ASSIGN(registry_,
               co_await EtcdRegistry::Open(env_, std::move(url), surroundings.variables, {},
                                           {.deadline = env_.clock.Now() + kOpenPatience}));
  PeersOptions options{.name = name(), .secret = secret_};
  options.versions.max = kSpoken.max;
  peers_ = std::make_unique<Peers>(env_, std::move(options), further_);
  co_return Result<void>();
}

/// Others cannot reach "every address of this machine"; by name they can.
Result<std::string> Membership::Advertised(const std::string& bound) const {
  if (!config_.advertise.empty()) return config_.advertise;
  const size_t colon = bound.rfind(':');
  const std::string host = bound.substr(0, colon);
  if (host != "0.0.0.0" && host != "[::]") return bound;
  const std::string here = HostName();
  if (here.empty()) {
    return Fail(Code::kInvalidArgument,
                "this machine has no name: say where the other nodes reach this one (--advertise)");
  }
  return here + bound.substr(colon);
}

Task<Result<void>> Membership::Join(Hash128 node_id, std::string bound) {
  if (peers_ == nullptr) co_return Result<void>();
  CellOptions options{
      .name = name(),
      .member = {.region = config_.region,
                 .zone = config_.zone,
                 .host = HostName(),
                 .weight = static_cast<uint16_t>(kFullWeight * config_.weight / 100),
                 .incarnation = node_id},
      .on_view = [this](auto view) { peers_->Follow(std::move(view)); },
      .on_lease = [this](Instant until) { peers_->HoldUntil(until); }};
  FB_CO_ASSIGN(options.member.address, Advertised(bound));
  FB_CO_ASSIGN(cell_, co_await Cell::Join(env_, std::move(options), *registry_,
                                          {.deadline = env_.clock.Now() + kJoinPatience}));
  co_return Result<void>();
}

observe::CellFigures Membership::Figures() const {
  if (cell_ == nullptr || cell_->view() == nullptr) return {};
  const Epoch& epoch = cell_->view()->map.epoch;
  return {.epoch = epoch.number,
          .nodes = static_cast<uint64_t>(std::ranges::count(epoch.live, true)),
          .controls = cell_->controls(),
          .frozen = cell_->frozen()};
}

/// Without an owner everybody would ask the origin for himself.
Result<void> Membership::CheckMayLeave() const {
  const CellMap& map = cell_->view()->map;
  const bool others = std::ranges::any_of(map.nodes, [&](const auto& node) {
    return node.first != name() && map.Lives(node.second.index) && !node.second.member.leaving;
  });
  if (others) return {};
  return Fail(
      Code::kInvalidArgument,
      "this is the last node of the cell that owns anything: there is nobody to hand over to");
}

Task<Result<std::string>> Membership::Act(wire::CellAction action) {
  if (cell_ == nullptr || cell_->view() == nullptr) {
    co_return Fail(Code::kUnavailable, "this node has not joined its cell yet");
  }
  const Call call{.deadline = env_.clock.Now() + kOpenPatience};
  switch (action) {
    case wire::CellAction::kNone:
      break;
    case wire::CellAction::kAcceptLosses:
      FB_CO_TRY(co_await cell_->AcceptLosses(call));
      break;
    case wire::CellAction::kLeave:
      FB_CO_TRY(CheckMayLeave());
      FB_CO_TRY(co_await cell_->SetLeaving(true, call));
      break;
    case wire::CellAction::kStay:
      FB_CO_TRY(co_await cell_->SetLeaving(false, call));
      break;
    default:
      co_return Fail(Code::kUnsupported, "this node does not know what that asks of its cell");
  }
  co_return Describe();
}

std::string Membership::Describe() const {
  const CellMap& map = cell_->view()->map;
  const auto word = [](const std::string& text) { return text.empty() ? "-" : text.c_str(); };
  std::string text = fmt::format("epoch {}\nself {}\ncontroller {}\nfrozen {}\n", map.epoch.number,
                                 name(), word(cell_->controller()), cell_->frozen());
  for (const auto& [node_name, node] : map.nodes) {
    const Member& member = node.member;
    const std::string_view state = !map.Lives(node.index) ? "gone"
                                   : member.leaving       ? "leaving"
                                                          : "live";
    text += fmt::format("node {} {} {} {} {} {} {} {}\n", node_name, node.index, member.address,
                        word(member.region), word(member.zone), word(member.host), member.weight,
                        state);
  }
  return text;
}

Task<void> Membership::Leave() {
  if (cell_ != nullptr) co_await cell_->Leave();
}

Task<void> Membership::Close() {
  if (peers_ != nullptr) co_await peers_->Close();
  cell_.reset();
  peers_.reset();
  registry_.reset();
}

}  // namespace forebay::app
