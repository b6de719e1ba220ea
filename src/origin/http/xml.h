// The XML of storage services: elements and text, small and bounded. Namespaces and attributes are
// passed over; a document type is refused, so that entities cannot grow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace forebay::http_origin {

struct XmlElement {
  std::string name;
  std::string text;  // of all its text, entities resolved
  std::vector<XmlElement> children;

  /// The first child of that name, or null.
  const XmlElement* Child(std::string_view child) const;
  /// The text of that child; "" where there is none.
  std::string_view Text(std::string_view child) const;
};

/// kCorrupt says where it is no XML of this kind ("line 3: ..."), or too deep.
Result<XmlElement> ParseXml(std::string_view document);
/// For bodies of requests: & < > " ' and control characters.
std::string XmlEscape(std::string_view text);

}  // namespace forebay::http_origin
