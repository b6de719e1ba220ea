#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "src/app/config/settings.h"
#include "src/app/config/values.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

constexpr uint64_t kLeastDramBytes = 16 * kMiB;
constexpr uint64_t kLeastDiskBytes = kMiB;
constexpr size_t kMaxSocketPathBytes = 107;  // the kernel's

Given Choose(const Setting& setting, const GivenSettings& flags, const GivenSettings& environment,
             const GivenSettings& file, const Machine& machine) {
  for (const GivenSettings* source : {&flags, &environment, &file}) {
    const auto found = source->find(setting.name);
    if (found != source->end()) return found->second;
  }
  return {setting.fallback_here != nullptr ? setting.fallback_here(machine)
                                           : std::string(setting.fallback),
          "default"};
}

/// A share of what is free changes with whatever else lies there, and a tier that changes its size
/// loses blocks: one that is about right stays as it is.
uint64_t ShareOf(uint64_t room, const Amount& amount, uint64_t existing) {
  const uint64_t wanted = RoundDown(amount.Of(room), kMiB);
  const bool close = existing > wanted - wanted / 8 && existing < wanted + wanted / 8;
  return close && existing <= room ? existing : wanted;
}

/// Fills in what depends on other settings and on the machine, and refuses what cannot be.
class Checker {
 public:
  Checker(ResolvedConfig& resolved, const Machine& machine)
      : config_(resolved.config), chosen_(resolved.chosen), machine_(machine) {}

  Result<void> Run() {
    FB_TRY(Memory());
    FB_TRY(Disks());
    FB_TRY(Budgets());
    return Doors();
  }

 private:
  bool IsDefault(std::string_view name) const {
    return chosen_.find(name)->second.where == "default";
  }
  /// "dram = 900GiB (flag --dram)".
  std::string Said(std::string_view name) const {
    const Given& given = chosen_.find(name)->second;
    return fmt::format("{} = {} ({})", name, given.text, given.where);
  }
  static std::unexpected<Error> Refuse(std::string why) {
    return Fail(Code::kInvalidArgument, std::move(why));
  }

  Result<void> Memory() {
    config_.dram_bytes = config_.dram.Of(machine_.memory_bytes);
    if (config_.dram_bytes < kLeastDramBytes) {
      return Refuse(fmt::format("{}: {} is too little memory to cache in; give it at least {}",
                                Said("dram"), FormatSize(config_.dram_bytes),
                                FormatSize(kLeastDramBytes)));
    }
    const uint64_t all = config_.dram_bytes + config_.metadata_bytes + config_.checksum_bytes;
    if (all > machine_.memory_bytes) {
      return Refuse(fmt::format(
          "{}: with {} and {} that is {}, more than the {} of memory here; make it smaller",
          Said("dram"), Said("metadata"), Said("checksums"), FormatSize(all),
          FormatSize(machine_.memory_bytes)));
    }
    return {};
  }

  Result<void> Disks() {
    std::set<std::string> seen;
    for (DiskConfig& disk : config_.disks) {
      if (disk.directory.empty()) disk.directory = config_.data_directory + "/disk";
      if (!seen.insert(disk.directory).second) {
        return Refuse(fmt::format("{}: {} is named twice; a directory holds one tier", Said("disk"),
                                  disk.directory));
      }
      const uint64_t room = machine_.room_bytes(disk.directory);
      disk.size_bytes = disk.amount.share == 0
                            ? disk.amount.bytes
                            : ShareOf(room, disk.amount, machine_.tier_bytes(disk.directory));
      if (disk.size_bytes > room) {
        return Refuse(
            fmt::format("{}: {} has room for {}; make the tier smaller, or name another "
                        "directory: disk = [\"/mnt/nvme=SIZE\"]",
                        Said("disk"), disk.directory, FormatSize(room)));
      }
      if (disk.size_bytes < kLeastDiskBytes) {
        return Refuse(
            fmt::format("{}: {} in {} is too small for a tier; give it at least {}, or 0 "
                        "for no disk",
                        Said("disk"), FormatSize(disk.size_bytes), disk.directory,
                        FormatSize(kLeastDiskBytes)));
      }
    }
    return {};
  }

  Result<void> Budgets() {
    const uint64_t half = config_.dram_bytes / 2;
    GiveWay("fill_budget", config_.fill_budget_bytes, half);
    GiveWay("flush_backlog", config_.flush_backlog_bytes, half);
    GiveWay("origin_range", config_.origin_range_bytes, RoundDown(config_.fill_budget_bytes, kMiB));
    FB_TRY(AtMost("fill_budget", config_.fill_budget_bytes, "dram", config_.dram_bytes));
    FB_TRY(AtMost("flush_backlog", config_.flush_backlog_bytes, "dram", half));
    FB_TRY(AtMost("origin_range", config_.origin_range_bytes, "fill_budget",
                  config_.fill_budget_bytes));
    return AtMost("random_fill", config_.random_fill_bytes, "origin_range",
                  config_.origin_range_bytes);
  }

  /// A default yields to what it depends on, and its text with it: what is printed reads back.
  void GiveWay(std::string_view name, uint64_t& bytes, uint64_t most) {
    if (!IsDefault(name) || bytes <= most) return;
    bytes = most;
    chosen_.find(name)->second.text = fmt::format("{}", most);
  }

  Result<void> AtMost(std::string_view name, uint64_t bytes, std::string_view limit_name,
                      uint64_t limit) {
    if (bytes <= limit) return {};
    return Refuse(fmt::format("{} contradicts {}: it can be at most {}", Said(name),
                              Said(limit_name), FormatSize(limit)));
  }

  Result<void> Doors() {
    if (config_.listen.empty() && config_.socket.empty()) {
      return Refuse(fmt::format("{} and {}: nobody could reach this node; leave one of them in",
                                Said("listen"), Said("socket")));
    }
    FB_TRY(Cell());
    if (!config_.listen.empty() && !IsLoopback(config_.listen) && config_.tokens_file.empty() &&
        config_.cell.empty()) {
      return Refuse(fmt::format(
          "{}: others could reach this node and nothing would ask who they are; give it a file of "
          "tokens (--tokens FILE), or listen on 127.0.0.1",
          Said("listen")));
    }
    FB_TRY(Apart("listen", config_.listen, "http", config_.http));
    if (!config_.s3.empty() && !IsLoopback(config_.s3) && config_.s3_keys_file.empty()) {
      return Refuse(fmt::format(
          "{}: others could reach this node and nothing would ask who they are; give it a file of "
          "keys (--s3-keys FILE), or listen on 127.0.0.1",
          Said("s3")));
    }
    if (config_.s3_tls_cert.empty() != config_.s3_tls_key.empty()) {
      return Refuse(
          fmt::format("{} and {}: a certificate and its key go together; give both, or "
                      "neither for plain HTTP",
                      Said("s3_tls_cert"), Said("s3_tls_key")));
    }
    FB_TRY(Apart("s3", config_.s3, "listen", config_.listen));
    FB_TRY(Apart("s3", config_.s3, "http", config_.http));
    if (config_.socket.size() > kMaxSocketPathBytes) {
      return Refuse(fmt::format("{}: {} bytes, and the kernel takes {}; choose a shorter path",
                                Said("socket"), config_.socket.size(), kMaxSocketPathBytes));
    }
    return {};
  }

  Result<void> Cell() {
    if (config_.cell.empty()) return {};
    if (config_.cell_secret_file.empty()) {
      return Refuse(
          fmt::format("{}: its nodes prove to each other that they belong to it; name the "
                      "file of its secret (--cell-secret-file FILE, one line from "
                      "`openssl rand -hex 32`, the same on all nodes)",
                      Said("cell")));
    }
    if (config_.listen.empty()) {
      return Refuse(fmt::format("{} and {}: the other nodes could not reach this one", Said("cell"),
                                Said("listen")));
    }
    return {};
  }

  Result<void> Apart(std::string_view name, std::string_view address, std::string_view other_name,
                     std::string_view other) {
    if (address.empty() || address != other || address.ends_with(":0")) return {};
    return Refuse(fmt::format("{} and {} are the same address; give one of them another port",
                              Said(name), Said(other_name)));
  }

  NodeConfig& config_;
  GivenSettings& chosen_;
  const Machine& machine_;
};

}  // namespace

GivenSettings ReadEnvironment(const Lookup& lookup) {
  GivenSettings given;
  for (const Setting& setting : Settings()) {
    if (auto text = lookup(setting.variable())) {
      given[std::string(setting.name)] = {*std::move(text), "variable " + setting.variable()};
    }
  }
  return given;
}

Result<ResolvedConfig> Resolve(const GivenSettings& flags, const GivenSettings& environment,
                               const GivenSettings& file, const Machine& machine) {
  ResolvedConfig resolved;
  for (const Setting& setting : Settings()) {
    Given given = Choose(setting, flags, environment, file, machine);
    if (const auto set = setting.set(resolved.config, given.text); !set) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("{}: {}: {}", given.where, setting.name, set.error().message()));
    }
    resolved.chosen[std::string(setting.name)] = std::move(given);
  }
  FB_TRY(Checker(resolved, machine).Run());
  return resolved;
}

}  // namespace forebay::app
