// SPDX-License-Identifier: MIT
// A supervisor with worker processes of which the test says what they do.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/inherited_descriptors.h"
#include "daemon/vbd/supervisor.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "tests/sim/background.h"
#include "tests/sim/executor.h"
#include "tests/sim/journals.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstored.h"

namespace tapring {

using Words = std::vector<std::string>;

inline constexpr const char* kVersion = "1.0";

/// Processes of which the test says what they do.
class FakeProcesses final : public WorkerProcesses {
 public:
  struct Process {
    Callbacks callbacks;
    std::vector<Message> sent;
    bool told_to_stop = false;
  };

  std::unique_ptr<WorkerProcess> start(const std::string& name, Callbacks callbacks) override {
    ++starts[name];
    if (fails_to_start) throw std::runtime_error("no more processes");
    auto& process = running[name];
    process = std::make_shared<Process>();
    process->callbacks = std::move(callbacks);
    return std::make_unique<Handle>(process);
  }
  Words left() const override { return left_behind; }

  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [name, process] : running) names.insert(name);
    return names;
  }

  std::map<std::string, std::shared_ptr<Process>> running;
  std::map<std::string, int> starts;
  Words left_behind;
  bool fails_to_start = false;

 private:
  class Handle final : public WorkerProcess {
   public:
    explicit Handle(std::shared_ptr<Process> process) : process_(std::move(process)) {}
    void send(Message message) override { process_->sent.push_back(std::move(message)); }
    void stop() override { process_->told_to_stop = true; }

   private:
    std::shared_ptr<Process> process_;
  };
};

class SupervisorTest : public testing::Test {
 protected:
  explicit SupervisorTest(Isolation isolation = Isolation::guest)
      : supervisor_({xenstore_, control_, background_, control_, processes_, journals_, witnesses_},
                    {"vbd"}, kVersion, "the configuration", isolation) {
    store_.write({{"/local/domain/0/domid", "0"}});
    machine_.create_domain(3);
    machine_.create_domain(4);
  }

  void start() {
    supervisor_.start([] {});
    settle();
  }
  void settle() { world_.run_for(std::chrono::milliseconds(100)); }

  static std::string node(DomainId domain, uint32_t device = 51712) {
    return "/local/domain/0/backend/vbd/" + std::to_string(domain) + '/' + std::to_string(device);
  }
  void attach(DomainId domain, uint32_t device = 51712) {
    const std::string made = node(domain, device);
    store_.write({{made + "/frontend", "x"}, {made + "/state", "1"}});
    settle();
  }

  void says(const std::string& worker, Message message) {
    processes_.running.at(worker)->callbacks.said(std::move(message));
    settle();
  }
  void says_hello(const std::string& worker, const std::string& version = kVersion) {
    const Words words = {std::to_string(kProtocolVersion), version};
    says(worker, {Message::Kind::tell, Verb::hello, 0, words});
  }
  /// What it was sent last: the result, if it asks something.
  Message asks(const std::string& worker, Verb verb, Words words,
               std::vector<UniqueFd> descriptors = {}) {
    says(worker, {Message::Kind::call, verb, 7, std::move(words), std::move(descriptors)});
    return std::move(processes_.running.at(worker)->sent.back());
  }
  void dies(const std::string& worker) {
    const auto process = processes_.running.extract(worker).mapped();
    process->callbacks.ended("killed by signal 9 (Killed)");
    settle();
  }

  static std::vector<UniqueFd> a_witness() {
    std::vector<UniqueFd> witnesses;
    witnesses.emplace_back(::dup(STDERR_FILENO));
    return witnesses;
  }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimXenstored xenstored_{world_, machine_, store_};
  sim::SimExecutor control_{world_};
  sim::SimBackground background_{world_};
  sim::SimJournals kept_journals_;
  sim::SimJournalStore journals_{kept_journals_};
  InheritedDescriptors inherited_;
  WitnessKeeper witnesses_{inherited_};
  FakeProcesses processes_;
  ReconnectingXenstore xenstore_{[this] { return xenstored_.connect(control_, 0); }, control_,
                                 control_};
  Supervisor supervisor_;
};

}  // namespace tapring
