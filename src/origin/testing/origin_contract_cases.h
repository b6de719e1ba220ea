// The cases of origin_contract.h, and what tests of single drivers need of them, too.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "src/origin/origin.h"

namespace forebay {

/// One empty origin and the loop that the tests use it from.
class OriginHarness {
 public:
  virtual ~OriginHarness() = default;
  virtual Env& env() = 0;
  virtual Origin& origin() = 0;
  virtual void Run(Task<void> main) = 0;
};
using MakeOriginHarness = std::unique_ptr<OriginHarness> (*)();

namespace origin_contract {

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}
Task<Result<ObjectInfo>> PutText(OriginHarness& h, std::string key, std::string text,
                                 Condition condition = {});
/// The whole range, read `step` bytes at a time.
Task<Result<std::string>> GetText(OriginHarness& h, std::string key, GetOptions options = {},
                                  size_t step = 1000);
/// "a b/ c", page by page.
Task<std::string> ListText(OriginHarness& h, ListOptions options);
/// Bytes that differ from place to place.
std::string Text(uint64_t seed, size_t size);

/// The only object there, of any size that a double may make up: `bytes` says what it is made of.
Task<void> HugeObjectIsRead(OriginHarness& h, std::string key, uint64_t size,
                            std::function<void(uint64_t offset, MutableBytes into)> bytes);

using Case = Task<void> (*)(OriginHarness&);
Task<void> WhatWasPutComesBack(OriginHarness& h);
Task<void> RangesAreCutAtTheEnd(OriginHarness& h);
Task<void> WhatIsNotThereIsNotFound(OriginHarness& h);
Task<void> AnEtagNamesOneState(OriginHarness& h);
Task<void> ABodyGivesOneVersion(OriginHarness& h);
Task<void> WritesHappenOnlyUnderTheirCondition(OriginHarness& h);
Task<void> OnlyOneOfManyIsFirst(OriginHarness& h);
Task<void> UnfinishedWritesAreInvisible(OriginHarness& h);
Task<void> DeletedIsGone(OriginHarness& h);
Task<void> ListsAreInByteOrder(OriginHarness& h);
Task<void> ListsAgreeWithAModel(OriginHarness& h);
Task<void> FoldersCanBeMarked(OriginHarness& h);
Task<void> WhatWasSaidIsTold(OriginHarness& h);
Task<void> PartsBecomeOneObject(OriginHarness& h);
Task<void> WrongPartsAreRefusedByNumber(OriginHarness& h);
Task<void> UploadsEnd(OriginHarness& h);
Task<void> LateAndCancelledCallsEnd(OriginHarness& h);

}  // namespace origin_contract

}  // namespace forebay
