// Whatever a store or something between may answer: ParseXml gives a tree or refuses, and a tree
// written out again is read as the same tree.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/origin/http/xml.h"

namespace {

using forebay::http_origin::XmlElement;

std::string Written(const XmlElement& element) {
  std::string text = "<" + element.name + ">" + forebay::http_origin::XmlEscape(element.text);
  for (const XmlElement& child : element.children) text += Written(child);
  return text + "</" + element.name + ">";
}

bool Same(const XmlElement& a, const XmlElement& b) {
  if (a.name != b.name || a.text != b.text || a.children.size() != b.children.size()) return false;
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (!Same(a.children[i], b.children[i])) return false;
  }
  return true;
}

/// What is left of a name without its prefix may be none: of "a:1", say.
bool HasNames(const XmlElement& element) {
  if (!forebay::http_origin::ParseXml("<" + element.name + "/>").has_value()) return false;
  return std::ranges::all_of(element.children, HasNames);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  const auto parsed = forebay::http_origin::ParseXml(document);
  if (!parsed || !HasNames(*parsed)) return 0;
  const auto again = forebay::http_origin::ParseXml(Written(*parsed));
  FB_ASSERT(again.has_value());
  FB_ASSERT(Same(*parsed, *again));
  return 0;
}
