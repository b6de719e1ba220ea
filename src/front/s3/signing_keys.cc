#include "src/front/s3/signing_keys.h"

namespace forebay::s3door {

void SigningKeys::Renew(uint64_t generation) {
  if (generation == generation_) return;
  by_use_.clear();
  kept_.clear();
  generation_ = generation;
}

const s3::SigningKey* SigningKeys::Find(const Scope& scope, uint64_t generation) {
  Renew(generation);
  const auto known = kept_.find(ViewOf(scope));
  if (known == kept_.end()) return nullptr;
  by_use_.splice(by_use_.end(), by_use_, known->second.use);
  return &known->second.key;
}

void SigningKeys::Learn(const Scope& scope, uint64_t generation, const s3::SigningKey& key) {
  Renew(generation);
  const auto [kept, is_new] = kept_.try_emplace(Name(scope.access_key, scope.day, scope.region),
                                                Kept{.key = key, .use = by_use_.end()});
  kept->second.key = key;
  if (!is_new) return;
  kept->second.use = by_use_.insert(by_use_.end(), View(kept->first));
  if (kept_.size() <= most_) return;
  const auto oldest = kept_.find(by_use_.front());
  by_use_.pop_front();
  kept_.erase(oldest);
}

}  // namespace forebay::s3door
