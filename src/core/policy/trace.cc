#include "src/core/policy/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/base/hash.h"
#include "src/base/prng.h"

namespace forebay {
namespace {

constexpr size_t kMaxColumns = 3;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// True, and `rest` behind it, if `rest` begins with `token` after blanks.
bool Eat(std::string_view& rest, char token) {
  std::string_view trimmed = Trim(rest);
  if (trimmed.empty() || trimmed.front() != token) return false;
  rest = trimmed.substr(1);
  return true;
}

template <class T>
bool EatNumber(std::string_view& rest, T& number) {
  const std::string_view trimmed = Trim(rest);
  const auto [stop, ec] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), number);
  if (ec != std::errc()) return false;
  rest = trimmed.substr(static_cast<size_t>(stop - trimmed.data()));
  return true;
}

template <class T>
bool ParseNumber(std::string_view text, T& number) {
  return EatNumber(text, number) && text.empty();
}

/// A key is one word of printable ASCII: anything else in its place is not a trace.
bool IsWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != ',' && c != '"' && c != '{' && c != '}';
  });
}

}  // namespace

void Trace::Add(uint64_t key, uint32_t weight) {
  Slot block = keys_.Find(key);
  if (block == kNoSlot) {
    block = keys_.Add(key);
    footprint_ += weight;
  }
  blocks_.push_back(block);
  weights_.push_back(weight);
  unit_weights_ &= weight == 1;
}

Result<void> TraceParser::Feed(std::string_view text) {
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view piece = text.substr(0, newline);
    too_long_ |= line_.size() + piece.size() > kMaxLineBytes;
    if (!too_long_) line_.append(piece);
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
    FB_TRY(EndLine());
  }
  return {};
}

Result<Trace> TraceParser::Finish() {
  if (!line_.empty() || too_long_) FB_TRY(EndLine());
  if (trace_.size() == 0) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: an empty trace: {} lines, no read in them", name_, line_number_));
  }
  return std::move(trace_);
}

Result<void> TraceParser::EndLine() {
  ++line_number_;
  const std::string_view why =
      too_long_ ? std::string_view("the line is longer than 1 MiB") : ParseLine(Trim(line_));
  Result<void> result;
  if (!why.empty()) result = BadLine(why);
  line_.clear();
  too_long_ = false;
  return result;
}

Result<void> TraceParser::BadLine(std::string_view why) {
  ++skipped_;
  if (bad_ == BadLines::kSkip) return {};
  constexpr size_t kShown = 40;
  std::string shown = line_.substr(0, kShown);
  for (char& c : shown) c = c >= ' ' && c < 0x7f ? c : '?';
  return Fail(Code::kInvalidArgument,
              fmt::format("{}:{}: {}: '{}'", name_, line_number_, why, shown));
}

/// Empty if the line is good, else what is wrong with it. A bad line adds no read.
std::string_view TraceParser::ParseLine(std::string_view line) {
  if (line.empty() || line.front() == '#') return {};
  if (format_ == Format::kUnknown) {
    format_ = line.front() == '{' ? Format::kJsonLines : Format::kColumns;
  }
  return format_ == Format::kJsonLines ? ParseJsonLine(line) : ParseColumns(line);
}

std::string_view TraceParser::ParseJsonLine(std::string_view line) {
  constexpr std::string_view kField = "\"hash_ids\"";
  if (line.front() != '{' || line.back() != '}') return "not a JSON object on one line";
  const size_t at = line.find(kField);
  if (at == std::string_view::npos) return "no \"hash_ids\"";
  std::string_view rest = line.substr(at + kField.size());
  if (!Eat(rest, ':') || !Eat(rest, '[')) return "\"hash_ids\" is not a list";
  std::vector<uint64_t> ids;
  while (!Eat(rest, ']')) {
    if (!ids.empty() && !Eat(rest, ',')) return "\"hash_ids\" does not end";
    if (uint64_t id = 0; EatNumber(rest, id)) {
      ids.push_back(id);
    } else {
      return "\"hash_ids\" holds something that is not a whole number";
    }
  }
  for (const uint64_t id : ids) trace_.Add(Mix64(id), 1);
  return {};
}

std::string_view TraceParser::ParseColumns(std::string_view line) {
  std::string_view columns[kMaxColumns];
  size_t count = 0;
  for (bool more = true; more;) {
    if (count == kMaxColumns) return "more than the three columns timestamp,key,size";
    const size_t comma = line.find(',');
    more = comma != std::string_view::npos;
    columns[count++] = Trim(line.substr(0, comma));
    if (more) line.remove_prefix(comma + 1);
  }
  if (double time = 0; count == 3 && !ParseNumber(columns[0], time)) return "bad timestamp";
  const std::string_view key = columns[count == 3 ? 1 : 0];
  if (!IsWord(key)) return "a key must be one word";
  uint32_t size = 1;
  if (count > 1 && !ParseNumber(columns[count - 1], size)) {
    return "a size must be a whole number from 1 to 4294967295";
  }
  if (size == 0) return "a size of 0";
  trace_.Add(HashBytes(AsBytes(key), 0).lo, size);
  return {};
}

}  // namespace forebay
