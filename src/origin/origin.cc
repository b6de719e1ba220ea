#include "src/origin/origin.h"

namespace forebay {

Task<Result<std::optional<DirectSource>>> Origin::Locate(Env&, std::string, uint64_t, uint64_t,
                                                         Call) {
  co_return std::nullopt;
}

}  // namespace forebay
