// Names of blocks. All blocks of a blob that are not committed lie in one heap, whoever sent them,
// and the service lists nothing of them but names and sizes. So a name says which upload a block
// belongs to, which part and which try of it, and where it ends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/origin.h"
#include "src/runtime/env.h"

namespace forebay::azure {

inline constexpr uint32_t kMaxBlocks = 50'000;  // of one object
inline constexpr uint32_t kMaxParts = 10'000;

/// An id of an upload names its object, too, so that ids that were never given are refused without
/// anything being kept for them anywhere.
std::string NewUploadId(Env& env, std::string_view container_url, std::string_view blob);
bool IsUploadId(std::string_view id, std::string_view container_url, std::string_view blob);
/// An id as it is given out carries what the object is to have beside its bytes: nothing else can
/// be kept of an upload that has only blocks. Blocks name its first part alone.
std::string DescribedId(std::string_view id, const ObjectAttributes& attributes);
std::string_view BareId(std::string_view id);
/// None where the id carries none, or nothing that can be read.
ObjectAttributes AttributesOfId(std::string_view id);

struct BlockName {
  enum class Kind : char {
    kMiddle = 'm',
    kLast = 'l',   // of its part
    kEmpty = 'e',  // stands for a part without bytes; its own byte does not count
    kBegin = 'b',  // the upload was begun
    kEnd = 'x',    // the upload was given up
  };
  std::string upload;  // NewUploadId
  uint32_t part = 0;   // 0: not of a part
  std::string stamp;   // of the try: later tries have higher ones
  uint32_t index = 0;
  Kind kind = Kind::kMiddle;
};
/// In order of time, and different even at the same moment.
std::string NewStamp(Env& env);
int64_t WallNanosOf(std::string_view stamp);

/// As the service has it, in base64: all are equally long, which it demands.
std::string BlockId(const BlockName& name);
/// nullopt: none of ours.
std::optional<BlockName> ParseBlockId(std::string_view id);

struct Block {
  std::string id;
  uint64_t size = 0;
};
struct BlockList {
  std::vector<Block> committed;
  std::vector<Block> uncommitted;
};
/// kCorrupt: this is no list of blocks.
Result<BlockList> ReadBlockList(std::string_view body);
/// The body that makes `ids` an object.
std::string BlockListBody(const std::vector<std::string>& ids);

struct PartBlocks {
  UploadedPart part;
  std::vector<std::string> ids;  // in order
};
struct UploadState {
  bool over = false;                     // completed, or given up
  std::map<uint32_t, PartBlocks> parts;  // the latest whole try of each
};
UploadState StateOf(const BlockList& list, std::string_view upload);
/// Of all uploads: those that are not over, their ids bare.
std::vector<PendingUpload> PendingOf(const BlockList& list);
std::string PartEtag(uint32_t number, std::string_view stamp);

/// How long block `index` of an object is whose end nobody knows: 5 TiB fit, 15 GiB stay at the
/// first size.
uint64_t BlockBytes(uint64_t first, uint32_t index);
/// The same for a part, so that 10,000 parts of 5 TiB / 10,000 have no more blocks than fit.
uint64_t PartBlockBytes(uint64_t first, uint32_t index);

}  // namespace forebay::azure
