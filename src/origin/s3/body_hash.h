// SHA-256 of bytes as they come, so that no loop stands still while megabytes are hashed at once.
#pragma once

#include <memory>
#include <string>

#include "src/base/bytes.h"

namespace forebay::s3 {

class BodyHash {
 public:
  BodyHash();
  BodyHash(BodyHash&&) noexcept;
  BodyHash& operator=(BodyHash&&) noexcept;
  ~BodyHash();

  void Add(Bytes bytes);
  /// In hex; begins anew.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forebay::s3
