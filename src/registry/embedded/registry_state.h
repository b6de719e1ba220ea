// What an embedded registry holds and the bytes of the file that it lies in. Pure.
//
// The file: the line "forebay registry 1", then little-endian: revision i64, next lease i64, length
// of the rest u64, CRC32C u32 of everything from the revision on but itself, and the rest: leases
// (u8 1, id i64, ttl in ns i64) and entries (u8 2, created i64, modified i64, lease i64, lengths
// u32 and u32, key, value), each in ascending order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/registry/registry.h"

namespace forebay {

inline constexpr size_t kMaxRegistryKeyBytes = 1024;
inline constexpr size_t kMaxRegistryValueBytes = size_t{256} * 1024;
/// Of the whole file, because every change writes it anew.
inline constexpr size_t kMaxRegistryBytes = size_t{16} * 1024 * 1024;
inline constexpr size_t kMaxRegistryLeases = 4096;

struct RegistryState {
  Revision revision = 0;
  LeaseId next_lease = 1;
  std::map<LeaseId, Duration> leases;  // to their ttl
  std::map<std::string, RegistryEntry, std::less<>> entries;

  std::string Encode() const;
  /// kCorrupt; kUnsupported where a later release wrote it.
  static Result<RegistryState> Decode(std::string_view file);
  /// What follows the checksum.
  static Result<RegistryState> DecodeRest(Revision revision, LeaseId next_lease,
                                          std::string_view rest);
};

}  // namespace forebay
