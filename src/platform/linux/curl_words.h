// What libcurl's codes mean to who has to mend it.
#pragma once

#include <curl/curl.h>

#include <string>

#include "src/runtime/http.h"

namespace forebay::platform {

/// Of an exchange that ended with `code`. The library's longer texts are not asked: they may quote
/// what the request held.
std::string WordsOf(CURL* easy, CURLcode code, const HttpRequest& request);

}  // namespace forebay::platform
