// A line that says how far a long command is: on a terminal only, on standard error, so that pipes
// and logs stay clean.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace forebay::app {

/// Any thread.
class Progress {
 public:
  /// `total_bytes` 0: not known.
  Progress(std::string what, uint64_t total_bytes);
  /// Takes the line away.
  ~Progress();

  void Add(uint64_t bytes);
  uint64_t bytes();
  double seconds() const;

 private:
  void Draw(double now);

  const std::string what_;
  const uint64_t total_;
  const bool shown_;
  const double started_;
  std::mutex mutex_;
  uint64_t bytes_ = 0;
  double drawn_at_ = 0;
};

/// "[#####.....] 52%  1.2 GiB of 2.3 GiB  310.0 MB/s  4 s left"; no wider than `columns`.
std::string ProgressLine(const std::string& what, uint64_t bytes, uint64_t total, double seconds,
                         unsigned columns);

}  // namespace forebay::app
