// What the texts of requests are cut into and compared by. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace forebay::s3door {

std::string Lower(std::string_view text);
/// Without case, as names of headers are.
bool IsName(std::string_view name, std::string_view other);
/// In constant time: how far a guess was right must not be seen.
bool SameSecret(std::string_view text, std::string_view other);

/// Without the spaces around it.
std::string_view Trim(std::string_view text);
std::vector<std::string_view> Split(std::string_view text, char by);

}  // namespace forebay::s3door
