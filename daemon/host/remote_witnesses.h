// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/control_port.h"
#include "daemon/host/witness.h"
#include "daemon/host/witness_store.h"

namespace tapring {

/// Witnesses that the control process keeps. They are asked here, in the process that may hang with
/// its storage.
class RemoteWitnesses final : public WitnessStore {
 public:
  /// `control` outlives this. `ask`: see ask_witness().
  using Asker = std::function<Error(const UniqueFd& witness)>;
  explicit RemoteWitnesses(ControlPort& control, Asker ask = ask_witness)
      : control_(control), ask_(std::move(ask)) {}

  void keep(const std::string& disk, std::vector<UniqueFd> witnesses) override;
  /// Throws ControlLost.
  std::optional<Error> ask(const std::string& disk) override;
  void remove(const std::string& disk) override;
  /// Of those that were kept, asked or listed here.
  bool keeps(const std::string& disk) const override;
  /// Throws ControlLost.
  std::vector<std::string> disks() const override;

 private:
  struct Kept {
    std::mutex asking;            ///< the kernel tells of a loss once: a second caller must wait
    std::optional<Error> answer;  ///< of those that were inherited
  };

  ControlPort& control_;
  const Asker ask_;
  mutable std::mutex mutex_;  ///< held for a moment only
  mutable std::map<std::string, std::shared_ptr<Kept>> kept_;
};

}  // namespace tapring
