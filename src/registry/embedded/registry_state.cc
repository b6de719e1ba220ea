#include "src/registry/embedded/registry_state.h"

#include <fmt/format.h>

#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace forebay {
namespace {

constexpr std::string_view kFormatName = "forebay registry ";
constexpr std::string_view kFormatLine = "forebay registry 1\n";
constexpr uint32_t kCrcSeed = 0x5e91;
constexpr uint8_t kLeaseTag = 1;
constexpr uint8_t kEntryTag = 2;

struct Header {
  int64_t revision;
  int64_t next_lease;
  uint64_t rest_bytes;
};

template <class T>
void Append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Reads from the front of what is left; once it was too short, everything is.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }

  template <class T>
  T Take() {
    const std::string_view bytes = TakeText(sizeof(T));
    return ok_ ? LoadFrom<T>(bytes.data()) : T{};
  }
  std::string_view TakeText(size_t size) {
    ok_ = ok_ && size <= left_.size();
    if (!ok_) return {};
    const std::string_view text = left_.substr(0, size);
    left_.remove_prefix(size);
    return text;
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

uint32_t CrcOf(const Header& header, std::string_view rest) {
  return Crc32c(AsBytes(rest), Crc32c(std::as_bytes(std::span(&header, 1)), kCrcSeed));
}

bool TakeLease(Reader& from, RegistryState& state) {
  const auto id = from.Take<LeaseId>();
  const auto ttl = from.Take<int64_t>();
  const bool ascends = state.leases.empty() || state.leases.rbegin()->first < id;
  if (!from.ok() || id <= 0 || id >= state.next_lease || ttl <= 0 || !ascends) return false;
  if (state.leases.size() >= kMaxRegistryLeases || !state.entries.empty()) return false;
  state.leases.emplace(id, Duration(ttl));
  return true;
}

bool TakeEntry(Reader& from, RegistryState& state) {
  RegistryEntry entry;
  entry.created = from.Take<Revision>();
  entry.modified = from.Take<Revision>();
  entry.lease = from.Take<LeaseId>();
  const auto key_bytes = from.Take<uint32_t>(), value_bytes = from.Take<uint32_t>();
  entry.key = from.TakeText(key_bytes);
  entry.value = from.TakeText(value_bytes);
  const bool ordered = state.entries.empty() || state.entries.rbegin()->first < entry.key;
  const bool revisions =
      0 < entry.created && entry.created <= entry.modified && entry.modified <= state.revision;
  const bool leased = entry.lease == 0 || state.leases.contains(entry.lease);
  const bool sized = !entry.key.empty() && entry.key.size() <= kMaxRegistryKeyBytes &&
                     entry.value.size() <= kMaxRegistryValueBytes;
  if (!from.ok() || !ordered || !revisions || !leased || !sized) return false;
  state.entries.emplace_hint(state.entries.end(), entry.key, entry);
  return true;
}

}  // namespace

std::string RegistryState::Encode() const {
  std::string rest;
  for (const auto& [id, ttl] : leases) {
    Append(rest, kLeaseTag);
    Append(rest, id);
    Append(rest, int64_t{ttl.count()});
  }
  for (const auto& [key, entry] : entries) {
    Append(rest, kEntryTag);
    Append(rest, entry.created);
    Append(rest, entry.modified);
    Append(rest, entry.lease);
    Append(rest, static_cast<uint32_t>(key.size()));
    Append(rest, static_cast<uint32_t>(entry.value.size()));
    rest.append(key).append(entry.value);
  }
  const Header header{revision, next_lease, rest.size()};
  std::string file(kFormatLine);
  Append(file, header);
  Append(file, CrcOf(header, rest));
  return file.append(rest);
}

Result<RegistryState> RegistryState::Decode(std::string_view file) {
  if (!file.starts_with(kFormatLine)) {
    const bool later = file.starts_with(kFormatName);
    return Fail(later ? Code::kUnsupported : Code::kCorrupt,
                later ? "another release of Forebay wrote this registry; run that one"
                      : "this is not a registry of Forebay");
  }
  Reader reader(file.substr(kFormatLine.size()));
  const auto header = reader.Take<Header>();
  const auto crc = reader.Take<uint32_t>();
  const std::string_view rest = reader.TakeText(header.rest_bytes);
  if (!reader.ok() || !reader.at_end() || CrcOf(header, rest) != crc) {
    return Fail(Code::kCorrupt, "its bytes do not match their checksum");
  }
  return DecodeRest(header.revision, header.next_lease, rest);
}

Result<RegistryState> RegistryState::DecodeRest(Revision revision, LeaseId next_lease,
                                                std::string_view rest) {
  RegistryState state;
  state.revision = revision;
  state.next_lease = next_lease;
  bool right = state.revision >= 0 && state.next_lease > 0;
  for (Reader left(rest); right && !left.at_end();) {
    const auto tag = left.Take<uint8_t>();
    right = (tag == kLeaseTag && TakeLease(left, state)) ||
            (tag == kEntryTag && TakeEntry(left, state));
  }
  if (!right) return Fail(Code::kCorrupt, "its checksum is right, but its contents are not");
  return state;
}

}  // namespace forebay
