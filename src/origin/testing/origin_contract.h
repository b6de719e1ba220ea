// What every driver of an origin must do. A test program links forebay_origin_contract, includes
// this and names what it tests:
//
//   INSTANTIATE_TEST_SUITE_P(File, OriginContract, testing::Values(&MakeHarness));
#pragma once

#include <gtest/gtest.h>

#include "src/origin/testing/origin_contract_cases.h"

namespace forebay {

class OriginContract : public testing::TestWithParam<MakeOriginHarness> {
 protected:
  void Run(origin_contract::Case test) {
    const auto harness = GetParam()();
    harness->Run(test(*harness));
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OriginContract);

#define FB_ORIGIN_CONTRACT(name) \
  TEST_P(OriginContract, name) { \
    Run(origin_contract::name);  \
  }
FB_ORIGIN_CONTRACT(WhatWasPutComesBack)
FB_ORIGIN_CONTRACT(RangesAreCutAtTheEnd)
FB_ORIGIN_CONTRACT(WhatIsNotThereIsNotFound)
FB_ORIGIN_CONTRACT(AnEtagNamesOneState)
FB_ORIGIN_CONTRACT(ABodyGivesOneVersion)
FB_ORIGIN_CONTRACT(WritesHappenOnlyUnderTheirCondition)
FB_ORIGIN_CONTRACT(OnlyOneOfManyIsFirst)
FB_ORIGIN_CONTRACT(UnfinishedWritesAreInvisible)
FB_ORIGIN_CONTRACT(DeletedIsGone)
FB_ORIGIN_CONTRACT(ListsAreInByteOrder)
FB_ORIGIN_CONTRACT(ListsAgreeWithAModel)
FB_ORIGIN_CONTRACT(FoldersCanBeMarked)
FB_ORIGIN_CONTRACT(WhatWasSaidIsTold)
FB_ORIGIN_CONTRACT(PartsBecomeOneObject)
FB_ORIGIN_CONTRACT(WrongPartsAreRefusedByNumber)
FB_ORIGIN_CONTRACT(UploadsEnd)
FB_ORIGIN_CONTRACT(LateAndCancelledCallsEnd)
#undef FB_ORIGIN_CONTRACT

}  // namespace forebay
