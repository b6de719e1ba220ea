// The S3 door: each attachment is a bucket, "/ATTACHMENT/KEY" is "s3://ATTACHMENT/KEY". A thin
// layer over Node; docs/S3.md lists what each operation comes to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/front/http/server.h"
#include "src/node/node.h"

namespace forebay::s3door {

struct S3DoorOptions {
  std::string region = "us-east-1";  // what signatures must name
  std::string domain;  // "s3.example.org": "BUCKET.s3.example.org" names a bucket; "": paths only
  /// The origin below which CreateBucket makes attachments: "file:///data/buckets"; "": it is
  /// refused.
  std::string bucket_root;
  /// Objects' bytes that answers on their way may hold in the store; past it they are copied in
  /// small pieces, so that slow clients cannot keep the store from evicting.
  uint64_t max_pinned_bytes = 64ull << 20;
  /// What ids of uploads are proven with: known to all nodes of the cell, and to each of them after
  /// a restart, and to nobody else.
  std::string upload_secret;
  bool tls = false;  // between its clients and it: addresses that it tells begin with https
};

class S3Door {
 public:
  /// `env` is of the node's loop. All must outlive the door; the further loops, which may be none,
  /// run on threads of their own.
  S3Door(Env& env, Node& node, S3DoorOptions options, const std::vector<Env*>& further = {});
  S3Door(const S3Door&) = delete;
  S3Door& operator=(const S3Door&) = delete;
  ~S3Door();

  /// What an HttpServer serves with: the node's loop first.
  std::vector<http::HttpLoop> loops();

  /// Of the store, by answers on their way. Any thread.
  uint64_t pinned_bytes() const;

  /// What an HttpServer of this door should keep to.
  static http::HttpLimits Limits(size_t connections);

  // The door's own files only.
  struct Shared;
  struct Parts;

 private:
  class OneLoop;
  const std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<OneLoop>> loops_;
};

}  // namespace forebay::s3door
