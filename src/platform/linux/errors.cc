#include "src/platform/linux/errors.h"

#include <cerrno>
#include <system_error>

namespace forebay::platform {
namespace {

Code CodeOf(int error) {
  switch (error) {
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case EFBIG:
    case ENOTEMPTY:
    case ELOOP:
      return Code::kInvalidArgument;
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case EADDRINUSE:
    case EWOULDBLOCK:
    case ETXTBSY:
    case EBUSY:
      return Code::kInUse;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return Code::kOverloaded;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
      return Code::kUnsupported;
    case ECANCELED:
      return Code::kCancelled;
    default:
      return Code::kIoError;
  }
}

}  // namespace

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

Error ErrnoError(int error, std::string_view what) {
  return Error(CodeOf(error), std::string(what).append(": ").append(ErrnoText(error)));
}

Error StreamError(int error, std::string_view what) {
  const Code code = CodeOf(error);
  const bool ours =
      code == Code::kCancelled || code == Code::kOverloaded || code == Code::kPermissionDenied;
  return Error(ours ? code : Code::kUnavailable,
               std::string(what).append(": ").append(ErrnoText(error)));
}

}  // namespace forebay::platform
