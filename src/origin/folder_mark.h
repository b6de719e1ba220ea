// Objects whose key ends with a slash, "runs/", by which clients of S3 mark folders. No file can be
// named so, and above the drivers every key names what a file could: such an object is called
// "runs/" + kFolderMark there. File origins keep it under that name; drivers of stores, which can
// hold such keys, call it "runs/" as everybody else does.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace forebay {

/// Sorts before whatever else lies in the folder, as "runs/" does.
inline constexpr std::string_view kFolderMark =
    "\x01"
    "forebay-folder";

inline bool IsFolderMark(std::string_view key) {
  if (!key.ends_with(kFolderMark)) return false;
  return key.substr(0, key.size() - kFolderMark.size()).ends_with('/');
}
/// "runs/" + kFolderMark is "runs/"; other keys are what they are.
inline std::string_view WithoutFolderMark(std::string_view key) {
  return key.substr(0, key.size() - (IsFolderMark(key) ? kFolderMark.size() : 0));
}
/// And back.
inline std::string WithFolderMark(std::string_view name) {
  return std::string(name).append(name.ends_with('/') ? kFolderMark : "");
}

}  // namespace forebay
