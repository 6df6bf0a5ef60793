// SPDX-License-Identifier: MIT
#include "tests/sim/transaction.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tapring::sim {
namespace {

constexpr double kConflictForNoReason = 0.02;

[[noreturn]] void refuse_call(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), "xenstore: " + what);
}

}  // namespace

std::string absolute_path(DomainId domain, const std::string& path) {
  if (path.starts_with('/') || path.starts_with('@')) return path;
  return "/local/domain/" + std::to_string(domain) + '/' + path;
}

SimTransaction::SimTransaction(SimWorld& world, SimStore& store, DomainId domain)
    : world_(world), store_(store), domain_(domain) {
  if (domain != 0 && store.transactions_of(domain) >= StoreQuota::kTransactions) {
    refuse_call(ENOSPC, "begin a transaction");
  }
  ++store.transactions_of(domain);
}

std::optional<std::string> SimTransaction::read(const std::string& path) {
  const std::string node = absolute_path(domain_, path);
  const auto written = written_.find(node);
  return written == written_.end() ? look_at(node).value : written->second;
}

void SimTransaction::write(const std::string& path, const std::string& value) {
  const std::string node = absolute_path(domain_, path);
  if (node.size() + 1 + value.size() > kMaxPayloadBytes) refuse_call(E2BIG, "write " + node);
  if (!store_.permits(domain_, node, Right::write)) refuse_call(EACCES, "write " + node);
  const Seen& seen = look_at(node);
  check_size(node, value.size() - seen.value.value_or("").size());
  if (seen.generation == 0) make(node);
  written_[node] = value;
}

XenstoreTransaction::Outcome SimTransaction::commit() {
  store_.come_between(written_);
  const bool conflict = std::ranges::any_of(seen_, [this](const auto& entry) {
    return store_.generation(entry.first) != entry.second.generation;
  });
  if (conflict || world_.random().chance(kConflictForNoReason)) return Outcome::conflict;
  store_.write(written_, domain_);
  return Outcome::done;
}

/// The first look is the one that counts.
const SimTransaction::Seen& SimTransaction::look_at(const std::string& path) {
  const auto [seen, is_new] = seen_.try_emplace(path);
  if (is_new) {
    seen->second.generation = store_.generation(path);
    if (store_.permits(domain_, path, Right::read)) seen->second.value = store_.read(path);
  }
  return seen->second;
}

/// Whoever makes a node changes the directory that it comes into.
void SimTransaction::make(const std::string& path) {
  if (!made_.insert(path).second) return;
  if (domain_ != 0 && store_.nodes_of(domain_) + made_.size() > StoreQuota::kNodes) {
    refuse_call(ENOSPC, "make " + path);
  }
  const std::size_t slash = path.rfind('/');
  if (slash == 0) return;
  const std::string directory = path.substr(0, slash);
  grown_[directory] += path.size() - slash;
  if (look_at(directory).generation == 0) return make(directory);
  check_size(directory, 0);
}

void SimTransaction::check_size(const std::string& path, std::size_t more_bytes) const {
  const auto grown = grown_.find(path);
  const std::size_t children = grown == grown_.end() ? 0 : grown->second;
  if (domain_ != 0 && store_.node_bytes(path) + children + more_bytes >= StoreQuota::kNodeBytes) {
    refuse_call(ENOSPC, "write " + path);
  }
}

}  // namespace tapring::sim
