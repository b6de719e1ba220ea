// Whose certificates an origin is believed by.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>

#include "src/origin/origin_url.h"
#include "src/origin/surroundings.h"
#include "src/runtime/http.h"

namespace forebay::http_origin {

/// The file that the first of `variables` that is set names, as other tools take it; SSL_CERT_FILE
/// counts last. Null: the authorities of the system.
std::shared_ptr<const HttpTls> UsualTls(const Surroundings& surroundings,
                                        std::initializer_list<std::string_view> variables = {});

/// What the origin's URL says by `?ca=FILE`, or else the usual. kInvalidArgument: not a file's
/// path.
Result<std::shared_ptr<const HttpTls>> TlsOf(
    const OriginUrl& url, const Surroundings& surroundings,
    std::initializer_list<std::string_view> variables = {});

}  // namespace forebay::http_origin
