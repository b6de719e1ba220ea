// What a whole cell tells a client; a node that stands alone is a cell of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/wire/exchange.h"

namespace forebay::client {

/// An object at one version: version, size, modified_ns, etag and what the protocol needs.
using ObjectInfo = wire::OwnedInfo;

/// A part of an object that is to be brought into the cache.
struct LoadPart {
  std::string key;
  uint64_t offset = 0;
  uint64_t size = 0;
};
struct Loaded {
  struct Failure {
    size_t part = 0;
    std::string node;  // who could not bring it in
    Error error;
  };
  uint64_t bytes = 0;                    // that are in the cache now
  uint32_t nodes = 1;                    // that live
  std::vector<std::string> passed_over;  // owners that did not answer: others did their part
  std::vector<Failure> failures;
};

/// How far handing over has come; src/node/cell_requests.h.
struct HandedOver {
  uint32_t stripes = 0;
  uint32_t parts = 0;
  uint32_t failed = 0;
  uint64_t bytes = 0;
  bool more = false;
};

/// Who owns the chunks of an object, and what of them is where.
struct ChunkOwners {
  struct Node {
    std::string name;  // empty: the node stands alone
    bool answered = false;
    std::string why;  // it did not
  };
  struct Held {
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
  };
  struct Chunk {
    size_t owner = 0;  // among `nodes`
    size_t next = 0;   // who owns it should that one go
    Held here;
    Held at_owner;
  };
  ObjectInfo info;
  uint64_t chunk_bytes = 0;
  std::vector<Node> nodes;    // the one that was asked first
  std::vector<Chunk> chunks;  // from the first that was asked for on; maybe not all
};

struct NodeStatus {
  std::string name;
  std::string state;  // live, silent, leaving, gone
  std::string json;   // empty where it did not answer
  std::string why;    // it did not
};

}  // namespace forebay::client
