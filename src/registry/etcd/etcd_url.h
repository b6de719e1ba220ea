// Where a cell's registry is, in one string that people type and messages show:
//
//   etcd://10.0.0.1,10.0.0.2:2379,etcd-3/CELLNAME
//   etcds://etcd.example/prod?ca=/etc/forebay/ca.pem&credentials=file:/etc/forebay/etcd-user
//
// It never holds a secret: `credentials` refers to where user and password are, as "USER:PASSWORD".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/runtime/http.h"

namespace forebay {

inline constexpr size_t kMaxEtcdEndpoints = 16;
inline constexpr size_t kMaxCellNameBytes = 63;
inline constexpr int kEtcdPort = 2379;

struct EtcdUrl {
  std::vector<std::string> endpoints;  // "http://10.0.0.1:2379", in the order given
  std::string cell;
  std::string credentials;             // "file:PATH", "env:NAME", or "": none
  std::shared_ptr<const HttpTls> tls;  // null: plain HTTP

  /// kInvalidArgument says what is wrong with it. A URL with "user:password@" is refused unseen.
  static Result<EtcdUrl> Parse(std::string_view text);

  /// What all keys of the cell begin with: "/forebay/CELL/".
  std::string Prefix() const;
};

/// True of what EtcdUrl::Parse is for, rightly written or not.
bool IsEtcdUrl(std::string_view text);

}  // namespace forebay
