// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "daemon/xenstore/xenstore.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// A path as a domain means it: what does not begin with / or @ is below its own directory.
std::string absolute_path(DomainId domain, const std::string& path);

/// A transaction as xenstored has them: in conflict if what it read or wrote was changed by others
/// before its end, told by the generations of nodes; and now and then for no reason. Throws
/// std::system_error for what the domain may not do, or not so much of.
class SimTransaction final : public XenstoreTransaction {
 public:
  SimTransaction(SimWorld& world, SimStore& store, DomainId domain);
  ~SimTransaction() override { --store_.transactions_of(domain_); }
  SimTransaction(const SimTransaction&) = delete;
  SimTransaction& operator=(const SimTransaction&) = delete;

  std::optional<std::string> read(const std::string& path) override;
  void write(const std::string& path, const std::string& value) override;
  Outcome commit() override;

 private:
  struct Seen {
    uint64_t generation;
    std::optional<std::string> value;
  };

  const Seen& look_at(const std::string& path);
  void make(const std::string& path);
  void check_size(const std::string& path, std::size_t more_bytes) const;

  SimWorld& world_;
  SimStore& store_;
  DomainId domain_;
  std::map<std::string, Seen> seen_;
  StoreKeys written_;
  std::set<std::string> made_;
  std::map<std::string, std::size_t> grown_;  ///< directories, by the names of what was made there
};

}  // namespace tapring::sim
