#include "src/registry/etcd/object_splitter.h"

#include <fmt/format.h>

namespace forebay::etcd {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

}  // namespace

void ObjectSplitter::Add(std::string_view piece) {
  if (!broken_) buffer_ += piece;
}

bool ObjectSplitter::AtRest() const {
  return !broken_ && depth_ == 0 && buffer_.find_first_not_of(kSpace) == buffer_.npos;
}

bool ObjectSplitter::Step(char c) {
  if (in_text_) {
    if (!escaped_ && c == '"') in_text_ = false;
    escaped_ = !escaped_ && c == '\\';
    return false;
  }
  if (c == '"') in_text_ = true;
  if (c == '{') ++depth_;
  return c == '}' && --depth_ == 0;
}

Result<std::optional<std::string>> ObjectSplitter::Next() {
  const auto wrong = [this](std::string why) {
    broken_ = true;
    buffer_.clear();
    return Fail(Code::kCorrupt, std::move(why));
  };
  if (broken_) return wrong("the stream is broken");
  if (depth_ == 0) {
    buffer_.erase(0, buffer_.find_first_not_of(kSpace));
    at_ = 0;
    if (!buffer_.empty() && buffer_[0] != '{') return wrong("the stream holds no JSON object");
  }
  while (at_ < buffer_.size()) {
    if (at_ >= most_) return wrong(fmt::format("a message has more than {} bytes", most_));
    if (!Step(buffer_[at_++])) continue;
    std::string object = buffer_.substr(0, at_);
    buffer_.erase(0, at_);
    at_ = 0;
    return object;
  }
  return std::nullopt;
}

}  // namespace forebay::etcd
