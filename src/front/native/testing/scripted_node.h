// A Node for tests of doors: the real store below, objects that a test puts there in place of
// origins, and requests that take as long as the test says. Linked in place of forebay_node.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "src/node/node.h"

namespace forebay {

struct NodeScript {
  struct Object {
    std::string bytes;
    std::string etag;
  };
  std::map<std::string, Object> objects;  // by path; "/data/..." is the one attachment
  Duration delay{};                       // of everything that is not at once
  bool always_slow = false;               // TryOpen and TryRead know nothing
  int opens = 0;
  int cancelled = 0;
  int aborted_uploads = 0;
};

/// A node over `script`, which must outlive it.
Task<Result<std::unique_ptr<Node>>> OpenScripted(Env& env, Gate& gate, NodeScript& script);

}  // namespace forebay
