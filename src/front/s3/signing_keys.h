// Signing keys that were right for a request lately: deriving one from its secret costs four
// hashes with a key, and a client has one a day.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "src/origin/s3/signing.h"

namespace forebay::s3door {

/// Used from one loop. What was not asked for longest goes first. Keys are dropped as soon as the
/// secrets that they are made of may be others: with every `generation` (Gate::key_generation).
class SigningKeys {
 public:
  explicit SigningKeys(size_t most) : most_(most) {}

  /// What a key is good for. The service is always S3.
  struct Scope {
    std::string_view access_key;
    std::string_view day;
    std::string_view region;
  };
  /// Null: derive it. Good until the next call of anything.
  const s3::SigningKey* Find(const Scope& scope, uint64_t generation);
  /// Only what has proven right: nobody can fill this with what he makes up.
  void Learn(const Scope& scope, uint64_t generation, const s3::SigningKey& key);
  size_t size() const { return kept_.size(); }

 private:
  using Name = std::tuple<std::string, std::string, std::string>;
  using View = std::tuple<std::string_view, std::string_view, std::string_view>;
  struct Less {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return View(a) < View(b); }
  };
  struct Kept {
    s3::SigningKey key;
    std::list<View>::iterator use;
  };
  /// Forgets all where the secrets may have changed.
  void Renew(uint64_t generation);
  static View ViewOf(const Scope& scope) { return {scope.access_key, scope.day, scope.region}; }

  const size_t most_;
  uint64_t generation_ = 0;
  std::map<Name, Kept, Less> kept_;
  std::list<View> by_use_;  // into the names of kept_; what was used last is last
};

}  // namespace forebay::s3door
