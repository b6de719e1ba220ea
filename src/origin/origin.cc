#include "src/origin/origin.h"

namespace forebay {

Task<Result<std::optional<DirectSource>>> Origin::Locate(Env&, std::string, uint64_t, uint64_t,
                                                         Call) {
  co_return std::nullopt;
}

Task<Result<std::string>> Origin::CreateDescribed(Env& env, std::string key,
                                                  ObjectAttributes attributes, Call call) {
  if (attributes.empty()) co_return co_await CreateMultipart(env, std::move(key), call);
  co_return Fail(Code::kUnsupported, "this origin keeps no attributes of objects");
}

Task<Result<std::vector<PendingUpload>>> Origin::ListUploads(Env&, std::string, Call) {
  co_return Fail(Code::kUnsupported, "this origin does not tell which uploads are pending");
}

Task<Result<ObjectAttributes>> Origin::Attributes(Env&, std::string, std::string, Call) {
  co_return ObjectAttributes{};
}

}  // namespace forebay
