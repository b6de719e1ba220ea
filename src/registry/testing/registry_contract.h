// What every implementation of Registry must do. A test program includes this once and names what
// it tests:
//
//   INSTANTIATE_TEST_SUITE_P(Embedded, RegistryContract, testing::Values(&MakeHarness));
#pragma once

#include <gtest/gtest.h>

#include "src/registry/testing/registry_contract_cases.h"

namespace forebay {

class RegistryContract : public testing::TestWithParam<MakeRegistryHarness> {
 protected:
  void SetUp() override { harness_ = GetParam()(); }
  void Run(Task<void> (*test)(RegistryHarness&)) { harness_->Run(test(*harness_)); }
  std::unique_ptr<RegistryHarness> harness_;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RegistryContract);

TEST_P(RegistryContract, ValuesComeBack) {
  Run(registry_contract::ValuesComeBack);
}
TEST_P(RegistryContract, ListsAreSortedAndOfOneRevision) {
  Run(registry_contract::ListsAreSortedAndOfOneRevision);
}
TEST_P(RegistryContract, ChangesHappenOnlyWhereWhatIsExpectedHolds) {
  Run(registry_contract::ChangesHappenOnlyWhereWhatIsExpectedHolds);
}
TEST_P(RegistryContract, RacesHaveOneWinnerEach) {
  Run(registry_contract::RacesHaveOneWinnerEach);
}
TEST_P(RegistryContract, WithoutItsLeaseAnEntryGoes) {
  Run(registry_contract::WithoutItsLeaseAnEntryGoes);
}
TEST_P(RegistryContract, ALeaseKeptAliveStays) {
  Run(registry_contract::ALeaseKeptAliveStays);
}
TEST_P(RegistryContract, WatchesTellEveryChangeOnce) {
  Run(registry_contract::WatchesTellEveryChangeOnce);
}
TEST_P(RegistryContract, WaitsEndByDeadlineAndCancellation) {
  Run(registry_contract::WaitsEndByDeadlineAndCancellation);
}
TEST_P(RegistryContract, EverythingIsThereAfterReopening) {
  Run(registry_contract::FillBeforeReopening);
  harness_->Reopen();
  Run(registry_contract::CheckAfterReopening);
}

}  // namespace forebay
