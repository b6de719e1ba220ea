// Whatever stands in a token file: it is taken or refused, a refusal tells nothing that could be a
// secret, and nobody gets in without a proof.
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/base/assert.h"
#include "src/node/gate.h"
#include "src/node/token_file.h"

namespace {

/// Every run of hex digits that is long enough for a secret must be absent from `message`.
void CheckTellsNothing(std::string_view text, std::string_view message) {
  size_t run = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    run = std::isxdigit(static_cast<unsigned char>(text[i])) != 0 ? run + 1 : 0;
    if (run < 2 * forebay::kMinSecretBytes) continue;
    const auto secret = text.substr(i + 1 - run, run);
    FB_ASSERT(message.find(secret) == std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = forebay::ParseTokenFile(text);
  auto gate = forebay::Gate::Create({.token_file_text = std::string(text), .own_uid = 1});
  FB_ASSERT(parsed.has_value() == gate.has_value());
  if (!parsed) {
    CheckTellsNothing(text, gate.error().message());
    return 0;
  }
  FB_ASSERT((*gate)->has_tokens() == !parsed->empty());
  const auto said = forebay::AsBytes("said");
  for (const forebay::TokenLine& token : *parsed) {
    FB_ASSERT(!(*gate)->AdmitToken(token.name, said, {}).has_value());
    const auto proof = (*gate)->ProveToken(token.name, said);
    const auto caller = (*gate)->AdmitToken(token.name, said, forebay::AsBytes(*proof));
    FB_ASSERT(caller.has_value());
    const forebay::LocalAllow allow;
    const bool admin = (*gate)->CheckAdmin(*caller).has_value();
    FB_ASSERT(admin == ((token.grants.everywhere & forebay::kAdmin) != 0));
    for (const auto& grant : token.grants.grants) {
      FB_ASSERT((*gate)->Check(*caller, grant.rights, {grant.attachment, allow}).has_value());
    }
  }
  return 0;
}
