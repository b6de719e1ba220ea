// How attachments stand in the registry. Apart from the rest because toml++ takes long to compile.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "src/node/attachment.h"

namespace forebay {
namespace {

Error Wrong(std::string_view what) {
  return Error(Code::kCorrupt, fmt::format("an attachment in the registry: {}", what));
}

Result<std::string> Text(const toml::table& table, std::string_view key) {
  const auto value = table[key].value_exact<std::string>();
  if (!value) return Fail(Wrong(fmt::format("\"{}\" is no text", key)));
  return *value;
}

Result<uint64_t> Number(const toml::table& table, std::string_view key) {
  const auto value = table[key].value_exact<int64_t>();
  if (!value || *value <= 0) return Fail(Wrong(fmt::format("\"{}\" is no positive number", key)));
  return static_cast<uint64_t>(*value);
}

/// A key that a newer release wrote may be a restriction: what it says is not known, so the
/// attachment is not served at all.
Result<void> CheckKeys(const toml::table& table) {
  constexpr std::string_view kKnown[] = {"id",    "name",        "origin",   "freshness",
                                         "allow", "chunk_bytes", "read_only"};
  for (const auto& [key, value] : table) {
    if (std::ranges::find(kKnown, key.str()) == std::end(kKnown)) {
      return Fail(Wrong(fmt::format("unknown key \"{}\"; a newer release wrote it", key.str())));
    }
  }
  return {};
}

}  // namespace

std::string AttachmentConfig::Serialize() const {
  const toml::table table{{"id", static_cast<int64_t>(id)},
                          {"name", name},
                          {"origin", origin},
                          {"freshness", freshness.ToString()},
                          {"allow", allow.ToString()},
                          {"chunk_bytes", static_cast<int64_t>(chunk_bytes)},
                          {"read_only", read_only}};
  std::ostringstream out;
  out << table << '\n';
  return out.str();
}

Result<AttachmentConfig> AttachmentConfig::Deserialize(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) return Fail(Wrong(parsed.error().description()));
  const toml::table& table = parsed.table();
  FB_TRY(CheckKeys(table));
  AttachmentConfig config;
  FB_ASSIGN(config.id, Number(table, "id"));
  FB_ASSIGN(config.name, Text(table, "name"));
  FB_ASSIGN(config.origin, Text(table, "origin"));
  FB_ASSIGN(const std::string freshness, Text(table, "freshness"));
  FB_ASSIGN(config.freshness, Freshness::Parse(freshness));
  FB_ASSIGN(const std::string allow, Text(table, "allow"));
  FB_ASSIGN(config.allow, LocalAllow::Parse(allow));
  FB_ASSIGN(config.chunk_bytes, Number(table, "chunk_bytes"));
  config.read_only = table["read_only"].value_or(false);
  FB_TRY(config.Validate());
  return config;
}

}  // namespace forebay
