#include "src/core/membership/cell_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace forebay {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxTextBytes = 255;
constexpr std::string_view kHexDigits = "0123456789abcdef";

Result<void> CheckText(std::string_view what, std::string_view text) {
  const bool printable = std::ranges::all_of(
      text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (printable && text.size() <= kMaxTextBytes) return {};
  return Fail(
      Code::kInvalidArgument,
      fmt::format(
          "{} \"{}\": at most {} printable characters without blanks, quotes and backslashes", what,
          text, kMaxTextBytes));
}

/// The lines of a record. What is asked for twice, or not there, is found out by whoever asks.
class Lines {
 public:
  Lines(std::string_view what, std::string_view text) : what_(what), text_(text) {}

  Result<std::string_view> Text(std::string_view name) const {
    for (size_t at = 0; at < text_.size();) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      const std::string_view line = text_.substr(at, end - at);
      const size_t blank = line.find(' ');
      if (blank != line.npos && line.substr(0, blank) == name) return line.substr(blank + 1);
      at = end + 1;
    }
    return Fail(Wrong(name, "is missing"));
  }
  template <class T>
  Result<T> Number(std::string_view name) const {
    FB_ASSIGN(const std::string_view text, Text(name));
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    return Fail(Wrong(name, "is no number, or too large"));
  }
  Result<Hash128> Hash(std::string_view name) const {
    FB_ASSIGN(const std::string_view text, Text(name));
    Hash128 hash;
    const char* middle = text.data() + text.size() / 2;
    const char* end = text.data() + text.size();
    if (text.size() == 32 && std::from_chars(text.data(), middle, hash.hi, 16).ptr == middle &&
        std::from_chars(middle, end, hash.lo, 16).ptr == end) {
      return hash;
    }
    return Fail(Wrong(name, "is not of 32 hexadecimal digits"));
  }
  Error Wrong(std::string_view name, std::string_view what) const {
    return Error(Code::kCorrupt, fmt::format("{} in the registry: \"{}\" {}", what_, name, what));
  }

 private:
  std::string_view what_;
  std::string_view text_;
};

Result<Member> MemberOf(const Lines& lines) {
  Member member;
  FB_ASSIGN(member.address, lines.Text("address"));
  FB_ASSIGN(member.region, lines.Text("region"));
  FB_ASSIGN(member.zone, lines.Text("zone"));
  FB_ASSIGN(member.host, lines.Text("host"));
  FB_ASSIGN(member.weight, lines.Number<uint16_t>("weight"));
  FB_ASSIGN(member.incarnation, lines.Hash("incarnation"));
  FB_ASSIGN(const auto leaving, lines.Number<uint8_t>("leaving"));
  member.leaving = leaving != 0;
  if (const auto good = member.Validate(); !good) {
    return Fail(Code::kCorrupt, "a node in the registry: " + good.error().message());
  }
  return member;
}

/// Four indices a digit, the lowest first.
std::string ToDigits(const std::vector<bool>& bits) {
  std::string digits;
  for (size_t i = 0; i < bits.size(); i += 4) {
    unsigned digit = 0;
    for (size_t j = i; j < std::min(i + 4, bits.size()); ++j) digit |= bits[j] ? 1u << (j - i) : 0;
    digits += kHexDigits[digit];
  }
  return digits;
}

}  // namespace

Result<void> CheckNodeName(std::string_view name) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool good = !name.empty() && name.size() <= kMaxNameBytes && alphanumeric(name[0]) &&
                    std::ranges::all_of(name, [&](char c) {
                      return alphanumeric(c) || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("node name \"{}\": 1 to {} letters, digits, '-', '_' and '.', the first "
                          "a letter or digit",
                          name, kMaxNameBytes));
}

Result<void> Member::Validate() const {
  FB_TRY(CheckText("address", address));
  FB_TRY(CheckText("region", region));
  FB_TRY(CheckText("zone", zone));
  FB_TRY(CheckText("host", host));
  if (address.empty()) return Fail(Code::kInvalidArgument, "a node without an address");
  return {};
}

std::string Serialize(const Member& member) {
  return fmt::format(
      "address {}\nregion {}\nzone {}\nhost {}\nweight {}\nincarnation {:016x}{:016x}\n"
      "leaving {}\n",
      member.address, member.region, member.zone, member.host, member.weight, member.incarnation.hi,
      member.incarnation.lo, member.leaving ? 1 : 0);
}

std::string Serialize(const MapNode& node) {
  return fmt::format("index {}\n{}", node.index, Serialize(node.member));
}

std::string Serialize(const Epoch& epoch) {
  return fmt::format("epoch {}\nlive {}\n", epoch.number, ToDigits(epoch.live));
}

Result<Member> ParseMember(std::string_view text) {
  return MemberOf(Lines("a node", text));
}

Result<MapNode> ParseMapNode(std::string_view text) {
  const Lines lines("a node", text);
  MapNode node;
  FB_ASSIGN(node.index, lines.Number<uint32_t>("index"));
  if (node.index >= Placement::kMaxIndices) return Fail(lines.Wrong("index", "is too large"));
  FB_ASSIGN(node.member, MemberOf(lines));
  return node;
}

Result<Epoch> ParseEpoch(std::string_view text) {
  const Lines lines("the map", text);
  Epoch epoch;
  FB_ASSIGN(epoch.number, lines.Number<uint64_t>("epoch"));
  FB_ASSIGN(const std::string_view digits, lines.Text("live"));
  if (digits.size() > Placement::kMaxIndices / 4) return Fail(lines.Wrong("live", "is too long"));
  for (const char c : digits) {
    const size_t digit = kHexDigits.find(c);
    if (digit == kHexDigits.npos) return Fail(lines.Wrong("live", "is not hexadecimal"));
    for (unsigned bit = 0; bit < 4; ++bit) epoch.live.push_back((digit >> bit & 1) != 0);
  }
  while (!epoch.live.empty() && !epoch.live.back()) epoch.live.pop_back();
  return epoch;
}

Placement CellMap::MakePlacement() const {
  std::vector<NodePlace> places(epoch.live.size());
  std::map<std::pair<std::string_view, std::string_view>, uint16_t> zones;
  std::map<std::string_view, uint16_t> hosts;
  for (const auto& [name, node] : nodes) {
    if (!Lives(node.index)) continue;
    const Member& member = node.member;
    const auto zone =
        zones.try_emplace({member.region, member.zone}, static_cast<uint16_t>(zones.size())).first;
    const auto host = hosts
                          .try_emplace(member.host.empty() ? std::string_view(name) : member.host,
                                       static_cast<uint16_t>(hosts.size()))
                          .first;
    places[node.index] = {.weight = member.leaving ? uint16_t{0} : member.weight,
                          .zone = zone->second,
                          .host = host->second};
  }
  return Placement(places);
}

}  // namespace forebay
