// Text as everybody writes it.
#pragma once

#include <cstddef>
#include <string_view>

namespace forebay {

/// The bytes of the one character at the front of `text`, not empty; 0 where there is none.
size_t Utf8Length(std::string_view text);

/// Overlong forms, surrogates and what lies past U+10FFFF are not.
bool IsUtf8(std::string_view text);

}  // namespace forebay
