// How a request proves that its sender has the account's key, or a shared access signature.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/runtime/http.h"

namespace forebay::azure {

/// Of the protocol that all requests speak: old enough for Azurite and every cloud, new enough for
/// conditions on block lists, CRC64 and blocks of gigabytes.
inline constexpr std::string_view kServiceVersion = "2020-10-02";

/// What is signed, for tests and doubles. The URL is percent-encoded as it goes out.
std::string StringToSign(const HttpRequest& request, std::string_view account);

/// Adds the headers of the moment and the signature; what an earlier signing added is replaced.
/// `key` in bytes, not in base64.
void SignWithKey(HttpRequest& request, std::string_view account, std::string_view key,
                 int64_t wall_ns);

/// Brings a shared access signature into the form that AddSas takes: without '?', "sig" first, so
/// that it is found again. kInvalidArgument, without a word of it, where it is none.
Result<std::string> NormalSas(std::string_view text);
/// Replaces the one that was added before.
void AddSas(HttpRequest& request, std::string_view normal_sas);
/// When it ends; INT64_MAX where it does not say, because a stored policy does.
int64_t SasEnds(std::string_view normal_sas);

}  // namespace forebay::azure
