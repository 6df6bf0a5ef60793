// SPDX-License-Identifier: MIT
// A simulated control process, of which a worker process has its xenstore: every call crosses as a
// message, through the view that says what the worker may have.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/host/control_port.h"
#include "daemon/xenstore/remote_xenstore.h"
#include "daemon/xenstore/store_view.h"
#include "daemon/xenstore/xenstore.h"
#include "tests/sim/executor.h"
#include "tests/sim/xenstore.h"

namespace tapring::sim {

/// As the worker meets it, for as long as the control process has this connection to xenstored.
class SimControlProcess final : public ControlPort {
 public:
  static constexpr const char* kWorker = "guests";

  /// The worker's guests are all there are. `thread`: of the worker.
  SimControlProcess(std::unique_ptr<SimXenstore> store, SimExecutor& thread, DomainId own_domain);
  SimControlProcess(const SimControlProcess&) = delete;
  SimControlProcess& operator=(const SimControlProcess&) = delete;
  ~SimControlProcess() override;

  Message call(Verb verb, std::vector<std::string> words,
               std::vector<UniqueFd> descriptors) override;
  void tell(Verb verb, std::vector<std::string> words) override;
  void on_told(Verb verb, std::function<void(const Message&)> handler) override;
  void on_call(Verb, Answerer) override {}
  void on_lost(std::function<void()> handler) override { lost_ = std::move(handler); }
  void take_told() override { store_->take_events(); }

 private:
  void take_event(const WatchEvent& event);
  void deliver(const Message& message);

  std::unique_ptr<SimXenstore> store_;
  SimExecutor& thread_;
  const DomainId own_domain_;
  StoreView view_;
  std::map<Verb, std::function<void(const Message&)>> told_;
  std::function<void()> lost_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// A worker's connection to xenstore, with the control process behind it.
class SimRemoteXenstore final : public XenstoreConnection {
 public:
  SimRemoteXenstore(std::unique_ptr<SimXenstore> store, SimExecutor& thread, DomainId own_domain)
      : control_(std::move(store), thread, own_domain), remote_(control_) {}

  std::optional<std::string> read(const std::string& path) override { return remote_.read(path); }
  std::vector<std::string> list(const std::string& path) override { return remote_.list(path); }
  std::unique_ptr<XenstoreTransaction> begin() override { return remote_.begin(); }
  void watch(const std::string& path, const std::string& token) override {
    remote_.watch(path, token);
  }
  void unwatch(const std::string& path, const std::string& token) override {
    remote_.unwatch(path, token);
  }
  void deliver_to(std::function<void(const WatchEvent&)> sink) override {
    remote_.deliver_to(std::move(sink));
  }
  void on_loss(std::function<void(const std::string& reason)> told) override {
    remote_.on_loss(std::move(told));
  }
  void take_events() override { remote_.take_events(); }
  bool domain_alive(DomainId domain) override { return remote_.domain_alive(domain); }

 private:
  SimControlProcess control_;
  RemoteXenstore remote_;
};

}  // namespace tapring::sim
