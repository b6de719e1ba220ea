// Bytes as text (RFC 4648), as HTTP services carry them.
#pragma once

#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

std::string Base64(Bytes bytes);
/// kInvalidArgument never says what the text is: it may be a key.
Result<std::string> FromBase64(std::string_view text);

}  // namespace forebay
