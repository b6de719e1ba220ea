#include "src/app/exit_status.h"

#include <fmt/format.h>

namespace forebay::app {

int ExitStatusOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return kExitUsage;
    case Code::kNotFound:
      return kExitNotFound;
    case Code::kPermissionDenied:
    case Code::kUnauthenticated:
      return kExitRefused;
    case Code::kOverloaded:
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kInUse:
      return kExitTryLater;
    case Code::kVersionChanged:
    case Code::kAlreadyExists:
      return kExitChanged;
    case Code::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

int Complain(std::string_view what, const Error& error) {
  if (what.empty()) {
    fmt::print(stderr, "forebay: {}\n", error.message());
  } else {
    fmt::print(stderr, "forebay: {}: {}\n", what, error.message());
  }
  return ExitStatusOf(error.code());
}

}  // namespace forebay::app
