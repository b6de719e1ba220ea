#include "sim/sim_names.h"

#include <utility>

namespace forebay::sim {

uint64_t InodeNumbers::Take() {
  if (free_.empty()) return next_++;
  return free_.extract(free_.begin()).value();
}

std::string NormalPath(std::string_view path) {
  std::string normal;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") normal.append("/").append(part);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return normal.empty() ? "/" : normal;
}

std::string ParentPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : std::string(path.substr(0, slash));
}

SimNames::SimNames(const std::string& root_path, InodeRef root) : root_(root_path) {
  root->directory = true;
  root->Hold();
  ++root->links;
  current_.emplace(root_, root);
  durable_.emplace(root_, root);
}

InodeRef SimNames::Find(const std::string& path) const {
  const auto found = current_.find(path);
  return found == current_.end() ? nullptr : found->second;
}

void SimNames::Link(const std::string& path, InodeRef inode) {
  inode->Hold();
  ++inode->links;
  Apply(current_, between_.emplace_back("", path, std::move(inode)));
}

void SimNames::Unlink(const std::string& path) {
  const Change& change = between_.emplace_back(path, "", Find(path));
  Apply(current_, change);
  --change.inode->links;
  change.inode->Release();
}

void SimNames::Rename(const std::string& from, const std::string& to) {
  if (const InodeRef replaced = Find(to)) {
    --replaced->links;
    replaced->Release();
  }
  Apply(current_, between_.emplace_back(from, to, Find(from)));
}

void SimNames::Apply(Table& table, const Change& change) {
  // A name may have come to mean another inode where earlier changes were lost: leave that alone.
  if (const auto old = table.find(change.from); old != table.end() && old->second == change.inode) {
    table.erase(old);
  }
  if (change.to.empty()) return;
  table.insert_or_assign(change.to, change.inode);
}

std::vector<std::string> SimNames::ChildrenOf(const std::string& directory) const {
  const std::string prefix = directory == "/" ? "/" : directory + "/";
  std::vector<std::string> children;
  for (auto it = current_.upper_bound(prefix); it != current_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    const std::string_view name = std::string_view(it->first).substr(prefix.size());
    if (name.find('/') == std::string_view::npos) children.emplace_back(name);
  }
  return children;
}

void SimNames::SyncDirectory(const std::string& path) {
  std::vector<Change> others;
  for (Change& change : between_) {
    const bool here = (!change.from.empty() && ParentPath(change.from) == path) ||
                      (!change.to.empty() && ParentPath(change.to) == path);
    if (here) {
      Apply(durable_, change);
    } else {
      others.push_back(std::move(change));
    }
  }
  between_ = std::move(others);
}

SimNames::Tally SimNames::Crash(Prng& prng) {
  Tally tally;
  const bool journal = prng.OneIn(2);
  const uint64_t kept_prefix = prng.Below(between_.size() + 1);
  for (size_t i = 0; i < between_.size(); ++i) {
    const bool keep = journal ? i < kept_prefix : prng.OneIn(2);
    if (keep) Apply(durable_, between_[i]);
    ++(keep ? tally.kept : tally.lost);
  }
  between_.clear();
  DropOrphans();
  current_ = durable_;
  return tally;
}

void SimNames::DropOrphans() {
  // Parents sort before what they hold, so one pass sees every lost parent first.
  for (auto it = durable_.begin(); it != durable_.end();) {
    const auto parent = durable_.find(it->first == root_ ? root_ : ParentPath(it->first));
    const bool orphan = parent == durable_.end() || !parent->second->directory;
    it = orphan ? durable_.erase(it) : std::next(it);
  }
}

}  // namespace forebay::sim
