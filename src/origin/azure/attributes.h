// What a writer says of an object beside its bytes, as Blob keeps it: content types and their like
// as properties, the rest as metadata, whose names must be identifiers. docs/ORIGINS.md has the
// mapping.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "src/origin/origin.h"
#include "src/runtime/http.h"

namespace forebay::azure {

/// Among the metadata: the MD5 of the object's bytes.
inline constexpr std::string_view kMd5Metadata = "forebaymd5";

struct Metadata {
  std::string name;
  std::string value;
};
/// Of what is no header of HTTP. Any name and value comes back as it was.
Metadata MetadataOf(std::string_view attribute, std::string_view value);
/// nullopt: it is none of what writers said, but ours.
std::optional<ObjectAttributes::value_type> AttributeOf(std::string_view name,
                                                        std::string_view value);

/// Into the head of a request that makes an object.
void AddAttributes(HttpRequest& request, const ObjectAttributes& attributes);
/// Out of the head of an answer about one; the MD5 is no part of them.
ObjectAttributes ReadAttributes(const HttpResponse& response);

/// The MD5 among them; "" where there is none.
std::string_view Md5Of(const ObjectAttributes& attributes);
/// What this driver calls a state of an object: the service's etag and, where the object was put
/// with its MD5, "/" and that. Everything that tells an etag tells the MD5, too, so it costs
/// nobody a further request.
std::string StateName(std::string_view etag, std::string_view md5);
/// The same, of what the service says: the MD5 that we left is believed while the service's own
/// agrees, which whoever writes the object anew changes, whatever metadata he takes along.
std::string StateName(std::string_view etag, std::string_view left_md5,
                      std::string_view content_md5_base64);
/// Of the answer to a GET or a HEAD.
std::string StateNameOf(const HttpResponse& response);
/// The service's etag of a state.
std::string_view EtagOfState(std::string_view state);

/// One word for ids of uploads: of letters, digits, '-' and '_'.
std::string PackAttributes(const ObjectAttributes& attributes);
std::optional<ObjectAttributes> UnpackAttributes(std::string_view packed);

}  // namespace forebay::azure
