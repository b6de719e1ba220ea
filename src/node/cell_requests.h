// What is asked of one node and done by the whole cell: loading, and telling people who has what. A
// node that stands alone is a cell of one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/origin/origin.h"

namespace forebay {

/// A part of an object that is to be brought into the cache.
struct LoadItem {
  std::string key;
  uint64_t offset = 0;
  uint64_t size = 0;
};

struct LoadReport {
  struct Failure {
    size_t item = 0;
    std::string node;  // who could not bring it in
    Error error;
  };
  uint64_t bytes = 0;                    // that are in the cache now
  uint32_t nodes = 1;                    // that live
  std::vector<std::string> passed_over;  // owners that did not answer: others did their part
  std::vector<Failure> failures;         // one an item at most
};

/// What another node of the cell reads here: all that an origin would have to be asked.
struct PeerRead {
  AttachmentId attachment = 0;
  std::string_view key;
  std::string_view etag;
  uint64_t object_size = 0;
  int64_t modified_ns = 0;
  uint64_t offset = 0;
  uint64_t until = 0;  // where its reader will stop
  uint32_t size = 0;
  uint32_t asker = UINT32_MAX;  // its index, where it may be sent to another node
  bool held_only = false;       // kNotFound where it would have to be fetched
  bool or_coming = false;       // with it: unless it is on its way already
};

/// How far handing over has come.
struct HandedOver {
  uint32_t stripes = 0;  // of names, in all
  uint32_t parts = 0;    // that were handed over now, or could not be
  uint32_t failed = 0;   // of those
  uint64_t bytes = 0;
  bool more = false;  // in this stripe
};

/// What one node tells another to bring in: all that an origin has to be asked with.
struct PeerLoadItem {
  std::string key;
  ObjectInfo info;
  uint64_t offset = 0;
  uint64_t size = 0;
};

/// Of a chunk or more, in a node's own tiers; both may have the same bytes.
struct HeldBytes {
  uint64_t memory = 0;
  uint64_t disk = 0;
};

/// Of chunks of an object in order: who owns them, and what is there.
struct Owners {
  struct Asked {
    std::string name;
    std::optional<Error> error;  // it did not answer
  };
  struct Chunk {
    uint16_t owner = 0;  // among `nodes`
    uint16_t next = 0;   // who owns it should that one go; the same where there is no other
    HeldBytes here;
    HeldBytes at_owner;
  };
  std::vector<Asked> nodes;  // this node first; its name is empty where it stands alone
  std::vector<Chunk> chunks;
};
inline constexpr size_t kMaxOwnersChunks = 512;

/// How another node of the cell is.
struct PeerStatus {
  std::string name;
  std::string state;  // live, silent, leaving, gone
  std::string json;   // empty where it did not answer
  std::string why;    // it did not
};
struct PeerStatusPage {
  std::vector<PeerStatus> nodes;  // by name
  bool more = false;
};

}  // namespace forebay
