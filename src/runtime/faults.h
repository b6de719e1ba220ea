// Product code asks here, by name, for rare conditions that it must survive ("store.flush.stall").
// In production the answer is always no; the simulator answers by its seed and counts. Ask at cold
// places only.
#pragma once

#include <string_view>

namespace forebay {

class Faults {
 public:
  virtual ~Faults() = default;

  /// `point` is a literal, so that a report can name it.
  virtual bool Fires(std::string_view point) = 0;
};

class NoFaults final : public Faults {
 public:
  bool Fires(std::string_view) override { return false; }
};

}  // namespace forebay
