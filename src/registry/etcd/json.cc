#include "src/registry/etcd/json.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/base/base64.h"

namespace forebay {
namespace {

using Value = nlohmann::json;

const Value* As(const void* value) {
  return static_cast<const Value*>(value);
}

/// Deeper than this is no answer of etcd's.
constexpr int kMaxDepth = 16;

}  // namespace

struct Json::Document {
  Value root;
};

Result<Json> Json::Parse(std::string_view text) {
  bool too_deep = false;
  const Value::parser_callback_t shallow = [&](int depth, Value::parse_event_t, Value&) {
    too_deep = too_deep || depth >= kMaxDepth;
    return !too_deep;
  };
  auto document = std::make_shared<Document>();
  document->root = Value::parse(text, shallow, false);
  if (document->root.is_discarded() || too_deep) {
    return Fail(Code::kCorrupt, fmt::format("{} bytes are no JSON", text.size()));
  }
  const void* root = &document->root;
  return Json(std::move(document), root);
}

Json Json::Get(std::string_view name) const {
  if (!is_object()) return {};
  const auto found = As(value_)->find(name);
  if (found == As(value_)->end()) return {};
  return {document_, &*found};
}

std::vector<Json> Json::Items() const {
  std::vector<Json> items;
  if (value_ == nullptr || !As(value_)->is_array()) return items;
  items.reserve(As(value_)->size());
  for (const Value& item : *As(value_)) items.push_back(Json(document_, &item));
  return items;
}

bool Json::is_object() const {
  return value_ != nullptr && As(value_)->is_object();
}

std::string Json::Text() const {
  if (value_ == nullptr || !As(value_)->is_string()) return "";
  return *As(value_)->get_ptr<const std::string*>();
}

bool Json::Bool() const {
  return value_ != nullptr && As(value_)->is_boolean() && *As(value_)->get_ptr<const bool*>();
}

Result<int64_t> Json::Int() const {
  if (value_ == nullptr || As(value_)->is_null()) return 0;
  const Value& value = *As(value_);
  const auto wrong = [] { return Fail(Code::kCorrupt, "a member is no number of 64 bits"); };
  if (value.is_number_unsigned()) {
    const auto number = *value.get_ptr<const uint64_t*>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return wrong();
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return *value.get_ptr<const int64_t*>();
  if (!value.is_string()) return wrong();
  const std::string& text = *value.get_ptr<const std::string*>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return wrong();
  return number;
}

Result<std::string> Json::Binary() const {
  auto bytes = FromBase64(Text());
  if (!bytes) return Fail(Code::kCorrupt, "a member is no base64");
  return bytes;
}

std::string JsonText(std::string_view text) {
  return Value(text).dump(-1, ' ', true, Value::error_handler_t::replace);
}

}  // namespace forebay
