// A sequence of block reads in memory, and how it is read from text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/core/policy/key_map.h"
#include "src/core/policy/policy.h"

namespace forebay {

/// 8 bytes a read. Blocks are numbered 0, 1, ... in the order of their first read.
class Trace {
 public:
  void Add(uint64_t key, uint32_t weight);

  size_t size() const { return blocks_.size(); }
  uint32_t block(size_t i) const { return blocks_[i]; }
  BlockRef ref(size_t i) const { return {.key = keys_.KeyOf(blocks_[i]), .weight = weights_[i]}; }
  uint32_t distinct() const { return keys_.size(); }
  /// What an unlimited cache would hold: every block with the weight of its first read.
  uint64_t footprint() const { return footprint_; }
  /// All weights are 1: then the optimum is known.
  bool unit_weights() const { return unit_weights_; }

  /// Reads before this one warm the cache and are not counted.
  size_t count_from = 0;

 private:
  KeyMap keys_;
  std::vector<uint32_t> blocks_;
  std::vector<uint32_t> weights_;
  uint64_t footprint_ = 0;
  bool unit_weights_ = true;
};

/// What to do with a line that is no read.
enum class BadLines { kFail, kSkip };

/// Reads text piece by piece into a Trace; never holds more of it than one line.
///
/// Two formats, told apart by the first line:
///   JSON lines    objects with "hash_ids": [1, 2, 3]; each id is a read of weight 1
///   columns       key | key,size | timestamp,key,size: keys are words, sizes from 1 to 2^32 - 1
/// Empty lines and lines that begin with # do not count.
class TraceParser {
 public:
  static constexpr size_t kMaxLineBytes = 1 << 20;

  /// `name` stands in the errors.
  TraceParser(std::string name, BadLines bad_lines) : name_(std::move(name)), bad_(bad_lines) {}

  Result<void> Feed(std::string_view text);
  /// After the last piece. Fails if there was no read at all.
  Result<Trace> Finish();

  uint64_t skipped() const { return skipped_; }

 private:
  enum class Format { kUnknown, kJsonLines, kColumns };

  Result<void> EndLine();
  Result<void> BadLine(std::string_view why);
  std::string_view ParseLine(std::string_view line);
  std::string_view ParseJsonLine(std::string_view line);
  std::string_view ParseColumns(std::string_view line);

  std::string name_;
  BadLines bad_;
  Format format_ = Format::kUnknown;
  std::string line_;
  bool too_long_ = false;
  uint64_t line_number_ = 0;
  uint64_t skipped_ = 0;
  Trace trace_;
};

}  // namespace forebay
