// The JSON of metadata and token services: one object, whose texts and numbers are read and whose
// deeper parts are passed over. Small and bounded; nothing else here reads JSON.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::http_origin {

struct FlatJson {
  /// Texts without their escapes; numbers, true, false and null as they were written.
  std::map<std::string, std::string, std::less<>> members;

  /// "" where it is absent.
  std::string_view Get(std::string_view name) const {
    const auto found = members.find(name);
    return found == members.end() ? std::string_view() : std::string_view(found->second);
  }
};

/// kCorrupt says at which byte it is no object of JSON, never what stands there: it may be a
/// secret.
Result<FlatJson> ParseFlatJson(std::string_view text);

}  // namespace forebay::http_origin
