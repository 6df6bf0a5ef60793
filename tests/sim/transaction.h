// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/xenstore.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// A path as a domain means it: what does not begin with / or @ is below its own directory.
std::string absolute_path(DomainId domain, const std::string& path);

/// A transaction as xenstored has them: in conflict if what it read or wrote was changed by others
/// before its end, told by the generations of nodes; and now and then for no reason.
class SimTransaction final : public XenstoreTransaction {
 public:
  SimTransaction(SimWorld& world, SimStore& store, DomainId domain) noexcept
      : world_(world), store_(store), domain_(domain) {}
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
  void look_at_missing_directories(const std::string& path);

  SimWorld& world_;
  SimStore& store_;
  DomainId domain_;
  std::map<std::string, Seen> seen_;
  StoreKeys written_;
};

}  // namespace tapring::sim
