// SPDX-License-Identifier: MIT
// Xenstore as a worker process has it: what the control process lets it see of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/control_port.h"
#include "daemon/xenstore/xenstore.h"

namespace tapring {

class RemoteXenstore final : public XenstoreConnection {
 public:
  /// Throws XenstoreLost if the control process is not there, or is not connected itself. `control`
  /// outlives this.
  explicit RemoteXenstore(ControlPort& control);
  RemoteXenstore(const RemoteXenstore&) = delete;
  RemoteXenstore& operator=(const RemoteXenstore&) = delete;
  ~RemoteXenstore() override;

  std::optional<std::string> read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::unique_ptr<XenstoreTransaction> begin() override;
  void watch(const std::string& path, const std::string& token) override;
  void unwatch(const std::string& path, const std::string& token) override;
  void deliver_to(std::function<void(const WatchEvent&)> sink) override;
  void on_loss(std::function<void(const std::string& reason)> told) override;
  void take_events() override;
  bool domain_alive(DomainId domain) override;

 private:
  class Transaction;

  std::vector<std::string> ask(Verb verb, std::vector<std::string> words);
  void lost(const std::string& reason);

  ControlPort& control_;
  std::function<void(const WatchEvent&)> sink_;
  std::function<void(const std::string& reason)> told_;
};

}  // namespace tapring
