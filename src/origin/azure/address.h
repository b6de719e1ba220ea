// Where a container answers, from the origin's URL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/origin/origin_url.h"
#include "src/runtime/http.h"

namespace forebay::azure {

struct Address {
  std::string account;
  std::string container;
  std::string endpoint;  // "https://ACCOUNT.blob.core.windows.net", without a slash at its end
  std::string prefix;    // "" or ending with '/'
  std::shared_ptr<const HttpTls> tls = nullptr;

  /// kInvalidArgument says which part of the URL is wrong. `usual_endpoint` counts where the URL
  /// names none; "" is that of the account in the public cloud.
  static Result<Address> Of(const OriginUrl& url, std::string_view usual_endpoint);

  std::string ContainerUrl() const { return endpoint + "/" + container; }
  std::string UrlOf(std::string_view key) const;
  /// What uploads and the service call the object: its name within the container.
  std::string BlobName(std::string_view key) const;
};

}  // namespace forebay::azure
