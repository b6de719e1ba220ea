// What `forebay node` runs with, checked and with every default filled in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/core/policy/copies.h"
#include "src/runtime/clock.h"
#include "src/runtime/log.h"

namespace forebay::app {

/// "8GiB", or a share of what there is: "25%".
struct Amount {
  uint64_t bytes = 0;
  double share = 0;  // used where it is not 0

  uint64_t Of(uint64_t all) const {
    return share == 0 ? bytes : static_cast<uint64_t>(share * static_cast<double>(all));
  }
};

struct DiskConfig {
  std::string directory;  // empty until it is known: within the data directory
  Amount amount;
  uint64_t size_bytes = 0;
};

enum class IoChoice : unsigned char { kAuto, kUring, kEpoll };

struct NodeConfig {
  std::string data_directory;
  std::string tokens_file;  // empty: none

  std::string listen;        // the binary protocol by TCP; empty: not
  std::string socket;        // and by Unix socket: its path; empty: not
  std::string http;          // metrics and health; empty: not
  std::string s3;            // the S3 API; empty: not
  std::string s3_keys_file;  // empty: none
  std::string s3_tls_cert;   // a file; empty: plain HTTP
  std::string s3_tls_key;    // a file, there with the other
  std::string s3_domain;
  std::string s3_bucket_root;  // an origin; empty: no buckets are made
  std::string s3_region;
  uint64_t s3_connections = 0;
  uint64_t connections = 0;
  uint64_t loops = 0;  // that serve connections by TCP, the node's own included
  uint64_t http_connections = 0;

  std::string cell;  // where its registry is; empty: this node stands alone
  std::string cell_secret_file;
  std::string name;       // empty: the machine's
  std::string advertise;  // empty: where it listens
  std::string region;
  std::string zone;
  uint64_t weight = 100;  // percent

  Amount dram;
  uint64_t dram_bytes = 0;
  std::vector<DiskConfig> disks;
  uint64_t metadata_bytes = 0;
  uint64_t checksum_bytes = 0;
  std::string policy;
  Copies local_copies = Copies::kHot;
  uint64_t local_copies_share = 0;  // percent of dram

  uint64_t fill_budget_bytes = 0;
  uint64_t origin_requests = 0;
  uint64_t origin_range_bytes = 0;
  uint64_t random_fill_bytes = 0;
  uint64_t waiting = 0;
  uint64_t flush_backlog_bytes = 0;
  Duration flush_delay{};
  Duration negative_ttl{};

  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  Duration slow_request{};
  Duration grace{};
  IoChoice io = IoChoice::kAuto;
};

}  // namespace forebay::app
