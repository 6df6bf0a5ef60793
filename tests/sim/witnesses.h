// SPDX-License-Identifier: MIT
// The service manager's descriptor store: what one daemon put there, the next one gets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/witness_store.h"
#include "tests/sim/storage.h"

namespace tapring::sim {

/// A description of a file, and the last loss that it was told of.
struct SimWitness {
  std::string path;
  uint64_t told;
};

using SimWitnesses = std::map<std::string, std::vector<SimWitness>>;

/// One daemon's way to them.
class SimWitnessStore final : public WitnessStore {
 public:
  SimWitnessStore(SimWitnesses& kept, SimStorage& storage) noexcept
      : kept_(kept), storage_(storage) {}

  void keep(const std::string& disk, std::vector<UniqueFd> witnesses) override;
  std::optional<Error> ask(const std::string& disk) override;
  void remove(const std::string& disk) override;
  bool keeps(const std::string& disk) const override { return kept_.contains(disk); }
  std::vector<std::string> disks() const override;

  /// The process is killed: nothing it does from now on has an effect.
  void die() noexcept { dead_ = true; }

 private:
  SimWitnesses& kept_;
  SimStorage& storage_;
  std::map<std::string, Error> answers_;
  bool dead_ = false;
};

}  // namespace tapring::sim
