// What the program ends with, so that scripts can tell why. Stated in `forebay --help`.
#pragma once

#include "src/base/result.h"

namespace forebay::app {

enum ExitStatus : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,          // the command line or a setting is wrong
  kExitNotFound = 3,       // the named object, attachment or file is not there
  kExitRefused = 4,        // not allowed, or not known
  kExitTryLater = 5,       // the node, or the origin behind it, cannot be reached or is overloaded
  kExitChanged = 6,        // the object changed meanwhile, or exists already
  kExitInterrupted = 130,  // by Ctrl-C
};

int ExitStatusOf(Code code);

/// Prints "forebay: WHAT: message" to standard error; gives the status to end with.
int Complain(std::string_view what, const Error& error);

}  // namespace forebay::app
