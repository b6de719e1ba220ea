#include "src/origin/file/attributes.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::file_origin {
namespace {

constexpr std::string_view kName = "user.forebay.attributes";

/// "1 SIZE MTIME": the form, and what of a file changes with its contents but not with its name.
std::string HeadOf(const FileInfo& of) {
  return fmt::format("1 {} {}\n", of.size_bytes, of.mtime_ns);
}

}  // namespace

std::string Serialize(const ObjectAttributes& attributes, const FileInfo& of) {
  std::string text = HeadOf(of);
  for (const auto& [name, value] : attributes) text += fmt::format("{}:{}\n", name, value);
  return text;
}

ObjectAttributes ParseAttributes(std::string_view text, const FileInfo& of) {
  const std::string head = HeadOf(of);
  if (!text.starts_with(head)) return {};
  text.remove_prefix(head.size());
  ObjectAttributes attributes;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0) return {};
    attributes.emplace_back(line.substr(0, colon), line.substr(colon + 1));
  }
  return attributes;
}

Task<Result<void>> StoreAttributes(const Root& root, Env& env, File& file,
                                   ObjectAttributes attributes) {
  const auto info = co_await env.disk.StatOpen(file);
  if (!info) co_return root.Failed(info.error());
  for (const auto& [name, value] : attributes) {
    if (value.find('\n') == value.npos && name.find_first_of(":\n") == name.npos) continue;
    co_return root.Failed(Code::kInvalidArgument, "an attribute is one line");
  }
  const auto set =
      co_await env.disk.SetAttribute(file, std::string(kName), Serialize(attributes, *info));
  if (!set) co_return root.Failed(set.error());
  co_return Result<void>();
}

Task<Result<ObjectAttributes>> LoadAttributes(Env& env, File& file, FileInfo of) {
  const auto text = co_await env.disk.GetAttribute(file, std::string(kName));
  if (text) co_return ParseAttributes(*text, of);
  const Code code = text.error().code();
  if (code == Code::kNotFound || code == Code::kUnsupported) co_return ObjectAttributes{};
  co_return Fail(text.error());
}

}  // namespace forebay::file_origin
