// Text as JSON takes it.
#pragma once

#include <string>
#include <string_view>

namespace forebay {

/// In quotes, with escapes for what may not stand in them; bytes from 128 on stay as they are.
std::string JsonString(std::string_view text);

}  // namespace forebay
