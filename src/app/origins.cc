#include "src/app/origins.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "src/origin/azure/azure_origin.h"
#include "src/origin/file/file_origin.h"
#include "src/origin/origin_url.h"
#include "src/origin/s3/s3_origin.h"

namespace forebay::app {

std::string UrlOfOrigin(const std::string& said) {
  if (said.find("://") != std::string::npos) return said;
  std::error_code error;
  const auto path = std::filesystem::absolute(said, error).lexically_normal();
  return error ? said : "file://" + path.string();
}

Result<std::unique_ptr<Origin>> OpenOrigin(const std::string& url,
                                           const http_origin::DriverParts& parts) {
  if (url.starts_with("file://")) return FileOrigin::Create(url);
  FB_ASSIGN(const OriginUrl parsed, OriginUrl::Parse(url));
  if (parsed.scheme == "azure") return AzureOrigin::Create(parsed, parts);
  if (parsed.scheme == "s3") return S3Origin::Create(parsed, parts);
  return Fail(Code::kInvalidArgument,
              fmt::format("origin '{}': nothing here speaks {}; there are file:///directory, "
                          "azure://ACCOUNT/CONTAINER and s3://BUCKET",
                          parsed.Name(), parsed.scheme));
}

Surroundings SurroundingsOfProcess() {
  Surroundings surroundings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == text.npos) continue;
    surroundings.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  surroundings.home = surroundings.Variable("HOME");
  return surroundings;
}

}  // namespace forebay::app
