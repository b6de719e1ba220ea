#include "src/origin/azure/blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "src/base/units.h"
#include "src/origin/azure/attributes.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay::azure {
namespace {

using http_origin::HashSha256;
using http_origin::Hex;
using http_origin::XmlElement;

constexpr size_t kIdHalf = 16;
constexpr size_t kStampBytes = 16;
constexpr size_t kStampTimeBytes = 12;
constexpr char kDescribed = '-';
constexpr size_t kNumberBytes = 5;
constexpr size_t kNameBytes = 2 * kIdHalf + kNumberBytes + kStampBytes + kNumberBytes + 1;
constexpr uint32_t kBlocksOfASize = 1900;
constexpr uint64_t kMostPartBlockBytes = 256 * kMiB;

bool IsHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string CheckOf(std::string_view nonce, std::string_view container_url, std::string_view blob) {
  const std::string text = fmt::format("{} {}/{}", nonce, container_url, blob);
  return Hex(HashSha256(AsBytes(text))).substr(0, kIdHalf);
}

std::optional<uint32_t> NumberOf(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<Block> BlocksOf(const XmlElement* list) {
  std::vector<Block> blocks;
  if (list == nullptr) return blocks;
  for (const XmlElement& one : list->children) {
    Block block{.id = std::string(one.Text("Name"))};
    const std::string_view size = one.Text("Size");
    std::from_chars(size.data(), size.data() + size.size(), block.size);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

/// One try of one part, as far as it is there.
struct Try {
  std::map<uint32_t, Block> blocks;
  std::optional<uint32_t> last;
  bool empty = false;

  bool whole() const { return empty || (last && blocks.size() == size_t{*last} + 1); }
};

PartBlocks Gathered(uint32_t number, std::string_view stamp, const Try& one) {
  PartBlocks gathered{.part = {.number = number,
                               .etag = PartEtag(number, stamp),
                               .modified_ns = WallNanosOf(stamp)}};
  for (const auto& [index, block] : one.blocks) {
    gathered.part.size += block.size;
    gathered.ids.push_back(block.id);
  }
  return gathered;
}

}  // namespace

std::string NewUploadId(Env& env, std::string_view container_url, std::string_view blob) {
  const std::string nonce = fmt::format("{:016x}", env.rng.Next());
  return nonce + CheckOf(nonce, container_url, blob);
}

bool IsUploadId(std::string_view id, std::string_view container_url, std::string_view blob) {
  if (id.size() != 2 * kIdHalf || !IsHex(id)) return false;
  return id.substr(kIdHalf) == CheckOf(id.substr(0, kIdHalf), container_url, blob);
}

std::string DescribedId(std::string_view id, const ObjectAttributes& attributes) {
  if (attributes.empty()) return std::string(id);
  return fmt::format("{}{}{}", id, kDescribed, PackAttributes(attributes));
}

std::string_view BareId(std::string_view id) {
  return id.substr(0, id.find(kDescribed));
}

ObjectAttributes AttributesOfId(std::string_view id) {
  const size_t bare = BareId(id).size();
  if (bare == id.size()) return {};
  return UnpackAttributes(id.substr(bare + 1)).value_or(ObjectAttributes());
}

int64_t WallNanosOf(std::string_view stamp) {
  uint64_t time = 0;
  stamp = stamp.substr(0, kStampTimeBytes);
  std::from_chars(stamp.data(), stamp.data() + stamp.size(), time, 16);
  return static_cast<int64_t>(time << 16);
}

std::string NewStamp(Env& env) {
  const auto now = static_cast<uint64_t>(env.clock.WallNanos());
  return fmt::format("{:012x}{:04x}", now >> 16, env.rng.Below(1 << 16));
}

std::string BlockId(const BlockName& name) {
  const std::string text = fmt::format("{}{:05}{}{:05}{}", name.upload, name.part, name.stamp,
                                       name.index, static_cast<char>(name.kind));
  return http_origin::Base64(AsBytes(text));
}

std::optional<BlockName> ParseBlockId(std::string_view id) {
  const auto decoded = http_origin::FromBase64(id);
  if (!decoded || decoded->size() != kNameBytes) return std::nullopt;
  std::string_view text = *decoded;
  const auto take = [&](size_t size) {
    const std::string_view taken = text.substr(0, size);
    text.remove_prefix(size);
    return taken;
  };
  BlockName name;
  name.upload = take(2 * kIdHalf);
  const auto part = NumberOf(take(kNumberBytes));
  name.stamp = take(kStampBytes);
  const auto index = NumberOf(take(kNumberBytes));
  const bool known = std::string_view("mlexb").find(text[0]) != std::string_view::npos;
  if (!IsHex(name.upload) || !IsHex(name.stamp) || !part || !index || !known) return std::nullopt;
  name.part = *part;
  name.index = *index;
  name.kind = static_cast<BlockName::Kind>(text[0]);
  if (BlockId(name) != id) return std::nullopt;  // base64 may say the same in several ways
  return name;
}

Result<BlockList> ReadBlockList(std::string_view body) {
  FB_ASSIGN(const XmlElement root, http_origin::ParseXml(body));
  if (root.name != "BlockList") return Fail(Code::kCorrupt, "the answer is no list of blocks");
  return BlockList{.committed = BlocksOf(root.Child("CommittedBlocks")),
                   .uncommitted = BlocksOf(root.Child("UncommittedBlocks"))};
}

std::string BlockListBody(const std::vector<std::string>& ids) {
  std::string body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  // Uncommitted, not Latest: a second commit of the same upload must not make a second version.
  for (const std::string& id : ids) body += fmt::format("<Uncommitted>{}</Uncommitted>", id);
  return body + "</BlockList>";
}

UploadState StateOf(const BlockList& list, std::string_view upload) {
  UploadState state;
  for (const Block& block : list.committed) {
    const auto name = ParseBlockId(block.id);
    if (name && name->upload == upload) state.over = true;
  }
  std::map<std::pair<uint32_t, std::string>, Try> tries;  // of a part, the latest last
  for (const Block& block : list.uncommitted) {
    const auto name = ParseBlockId(block.id);
    if (!name || name->upload != upload) continue;
    if (name->kind == BlockName::Kind::kEnd) state.over = true;
    if (name->part == 0) continue;
    Try& one = tries[{name->part, name->stamp}];
    if (name->kind == BlockName::Kind::kEmpty) {
      one.empty = true;
      continue;
    }
    one.blocks[name->index] = block;
    if (name->kind == BlockName::Kind::kLast) one.last = name->index;
  }
  for (const auto& [key, one] : tries) {
    if (!one.whole()) continue;
    state.parts[key.first] = Gathered(key.first, key.second, one);
  }
  return state;
}

std::vector<PendingUpload> PendingOf(const BlockList& list) {
  std::map<std::string, PendingUpload> pending;  // by their ids
  std::set<std::string> over;
  for (const Block& block : list.uncommitted) {
    const auto name = ParseBlockId(block.id);
    if (!name) continue;
    if (name->kind == BlockName::Kind::kEnd) over.insert(name->upload);
    const bool of_parts = name->part > 0 || name->kind == BlockName::Kind::kBegin;
    if (!of_parts) continue;
    const int64_t begun_ns = WallNanosOf(name->stamp);
    auto [known, is_new] = pending.try_emplace(name->upload);
    if (is_new || begun_ns < known->second.begun_ns) known->second.begun_ns = begun_ns;
    known->second.id = name->upload;
  }
  for (const Block& block : list.committed) {
    if (const auto name = ParseBlockId(block.id)) over.insert(name->upload);
  }
  std::vector<PendingUpload> left;
  for (auto& [id, upload] : pending) {
    if (!over.contains(id)) left.push_back(std::move(upload));
  }
  return left;
}

std::string PartEtag(uint32_t number, std::string_view stamp) {
  return fmt::format("{:05}-{}", number, stamp);
}

uint64_t BlockBytes(uint64_t first, uint32_t index) {
  return first * (1 + index / kBlocksOfASize);
}

uint64_t PartBlockBytes(uint64_t first, uint32_t index) {
  uint64_t size = first;
  for (uint32_t i = 0; i < index && size < kMostPartBlockBytes; ++i) size *= 3;
  return std::min(size, std::max(first, kMostPartBlockBytes));
}

}  // namespace forebay::azure
