// What a writer says of an object beside its bytes, in one attribute of its file.
#pragma once

#include <string>
#include <string_view>

#include "src/origin/file/root.h"
#include "src/origin/origin.h"
#include "src/runtime/disk.h"

namespace forebay::file_origin {

/// Says of which contents it was said, so that it is not believed of others that came under the
/// same name in place of them.
std::string Serialize(const ObjectAttributes& attributes, const FileInfo& of);
/// None where they were said of other contents, or cannot be read.
ObjectAttributes ParseAttributes(std::string_view text, const FileInfo& of);

/// kUnsupported where the file system keeps none.
Task<Result<void>> StoreAttributes(const Root& root, Env& env, File& file,
                                   ObjectAttributes attributes);
Task<Result<ObjectAttributes>> LoadAttributes(Env& env, File& file, FileInfo of);

}  // namespace forebay::file_origin
