// What a request is about: bucket, key and query, decoded from its target and its host. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/front/http/message.h"
#include "src/front/s3/errors.h"

namespace forebay::s3door {

inline constexpr size_t kMaxKeyBytes = 1024;

/// How the node is asked for a key (src/origin/folder_mark.h), and back.
std::string StoredKey(std::string_view key);
std::string_view ShownKey(std::string_view stored);

struct QueryItem {
  std::string name;
  std::string value;
};

struct Request {
  const http::RequestHead* head = nullptr;
  std::string bucket;  // "": the service itself
  std::string key;     // "": the bucket
  std::vector<QueryItem> query;
  std::string path;  // decoded, without what the host says: for signatures and errors
  bool bucket_in_host = false;
  /// Headers that a presigned URL brings in its query, because whoever opens it may send none.
  std::vector<http::Header> from_query;

  /// Of lists that came in several lines: each as one.
  std::vector<http::Header> joined;

  /// nullptr: it was not given. Of several the first.
  const std::string* Query(std::string_view name) const;
  bool Has(std::string_view name) const { return Query(name) != nullptr; }
  std::string QueryOr(std::string_view name, std::string_view otherwise) const;
  /// As it was sent, or from the query; "" where it is absent. Of several the first, of lists all.
  std::string_view Header(std::string_view name) const;
  std::vector<const http::Header*> AllHeaders() const;
  /// "/bucket/key", as Node takes it: the key as it is stored.
  std::string NodePath() const;
};

/// The names and values of a query string. '+' is a space, as forms have it and S3 reads it.
Outcome<std::vector<QueryItem>> ParseQuery(std::string_view query);

/// `domain`: "" or "s3.example.org", of which "BUCKET.s3.example.org" is a host. `head` must
/// outlive what is returned.
Outcome<Request> ParseRequest(const http::RequestHead& head, std::string_view domain);

/// A bucket may be made with this name. What `forebay attach` made may have another.
bool IsBucketName(std::string_view name);

}  // namespace forebay::s3door
