// SPDX-License-Identifier: MIT
// Which worker processes there are, and what one gets of another's, whatever it asks for.
#include "daemon/vbd/supervisor.h"

#include <gmock/gmock.h>
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

#include "daemon/control/worker_answers.h"
#include "daemon/host/inherited_descriptors.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "tests/sim/background.h"
#include "tests/sim/executor.h"
#include "tests/sim/journals.h"
#include "tests/sim/log_lines.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstored.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using Words = std::vector<std::string>;

constexpr const char* kVersion = "1.0";

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
  void settle() { world_.run_for(100ms); }

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

TEST_F(SupervisorTest, EachGuestThatHasDisksHasAWorker) {
  attach(3);
  start();
  EXPECT_THAT(processes_.names(), ElementsAre("domain-3"));
  attach(4);
  attach(4, 51728);
  EXPECT_THAT(processes_.names(), ElementsAre("domain-3", "domain-4"));
  EXPECT_EQ(processes_.starts["domain-4"], 1);
}

TEST_F(SupervisorTest, AStubDomainsDisksAreItsGuests) {
  machine_.create_domain(5);
  store_.write({{"/local/domain/5/target", "3"}});
  start();
  attach(5);
  EXPECT_THAT(processes_.names(), ElementsAre("domain-3"));
}

TEST_F(SupervisorTest, TwoDomainsThatAreOneGuestHaveOneWorker) {
  const std::string uuid = "6f1f0c3a-5d2e-4b7e-9f55-0c3a5d2e4b7e";
  store_.write({{"/local/domain/3/vm", "/vm/" + uuid}, {"/local/domain/4/vm", "/vm/" + uuid}});
  start();
  attach(3);
  attach(4);
  EXPECT_THAT(processes_.names(), ElementsAre("guest-" + uuid));
}

TEST_F(SupervisorTest, ADiskStaysWithItsGuestWhenTheDomainIsGoneBeforeIt) {
  const std::string uuid = "6f1f0c3a-5d2e-4b7e-9f55-0c3a5d2e4b7e";
  store_.write({{"/local/domain/3/vm", "/vm/" + uuid}});
  start();
  attach(3);
  store_.remove("/local/domain/3");
  machine_.destroy_domain(3);
  settle();
  store_.write({{node(3) + "/state", "5"}});
  settle();
  EXPECT_THAT(processes_.names(), ElementsAre("guest-" + uuid));
}

TEST_F(SupervisorTest, WhatIsNoUuidMakesNoName) {
  store_.write({{"/local/domain/3/vm", "/vm/../../../../../../../../../../../../etc"},
                {"/local/domain/4/vm", "/vm"}});
  start();
  attach(3);
  attach(4);
  EXPECT_THAT(processes_.names(), ElementsAre("domain-3", "domain-4"));
}

class StorageSupervisorTest : public SupervisorTest {
 protected:
  StorageSupervisorTest() : SupervisorTest(Isolation::storage) {}

  void attach_image(DomainId domain, uint32_t device, const std::string& params) {
    store_.write({{node(domain, device) + "/params", params}});
    attach(domain, device);
  }
};

TEST_F(StorageSupervisorTest, DisksWhoseImagesLieInOneDirectoryShareAWorker) {
  start();
  attach_image(3, 51712, "aio:/srv/a/one.img");
  attach_image(4, 51712, "qcow2:/srv/a/../a/two.qcow2");
  attach_image(3, 51728, "aio:/srv/b/three.img");
  EXPECT_THAT(processes_.names(), ElementsAre(StartsWith("storage-srv-a-"),
                                              StartsWith("storage-srv-b-")));
}

TEST_F(StorageSupervisorTest, TheNodeThatIsNotWholeYetWaitsForItsParams) {
  start();
  attach(3);
  EXPECT_THAT(processes_.names(), IsEmpty());
  store_.write({{node(3) + "/params", "aio:/srv/a/one.img"}});
  settle();
  EXPECT_THAT(processes_.names(), ElementsAre(StartsWith("storage-srv-a-")));
}

TEST_F(StorageSupervisorTest, AWorkerSeesWhatIsOfItsDisks) {
  store_.write({{"/local/domain/3/device/vbd/51712/state", "4"}});
  start();
  attach_image(3, 51712, "aio:/srv/a/one.img");
  attach_image(4, 51712, "aio:/srv/b/two.img");
  const std::string worker = *processes_.names().begin();
  const std::string other = *processes_.names().rbegin();
  EXPECT_EQ(asks(worker, Verb::store_read, {node(3) + "/state"}).words, Words{"1"});
  EXPECT_EQ(asks(worker, Verb::store_read, {"/local/domain/3/device/vbd/51712/state"}).words,
            Words{"4"});
  EXPECT_EQ(asks(other, Verb::store_read, {node(3) + "/state"}).words, Words{});
  EXPECT_EQ(asks(other, Verb::store_read, {"/local/domain/3/device/vbd/51712/state"}).words,
            Words{});
}

TEST_F(StorageSupervisorTest, ADiskThatIsThereAnewMayHaveAnotherWorker) {
  start();
  attach_image(3, 51712, "aio:/srv/a/one.img");
  const std::string first = *processes_.names().begin();
  store_.remove(node(3));
  settle();
  EXPECT_EQ(asks(first, Verb::journal_remove, {"vbd-3-51712"}).kind, Message::Kind::result);
  attach_image(3, 51712, "aio:/srv/b/one.img");
  EXPECT_EQ(processes_.names().size(), 2U);
  EXPECT_EQ(asks(first, Verb::journal_remove, {"vbd-3-51712"}).kind, Message::Kind::error);
}

TEST_F(SupervisorTest, AWorkerReachesTheJournalsOfItsOwnDisksAlone) {
  attach(3);
  attach(4);
  start();
  const auto open = [this](const std::string& worker, Words words) {
    return asks(worker, Verb::journal_open, std::move(words));
  };
  EXPECT_EQ(open("domain-3", {"vbd-3-51712", "0", "4096"}).descriptors.size(), 1U);
  for (const Words& words : {Words{"vbd-4-51712", "0", "4096"}, Words{"vbd-3-51728", "0", "4096"},
                             Words{"vbd-3-51712", "64", "4096"}, Words{"vbd-3-51712", "0", "-1"},
                             Words{"vbd-3-51712", "0", "1073741824"}, Words{"../x", "0", "4096"},
                             Words{"vbd-3-51712", "0"}, Words{}}) {
    EXPECT_EQ(open("domain-3", words).kind, Message::Kind::error) << words.size();
  }
  EXPECT_EQ(asks("domain-3", Verb::journal_list, {}).words, Words{"vbd-3-51712"});
  EXPECT_EQ(asks("domain-4", Verb::journal_list, {}).words, Words{});
  EXPECT_EQ(asks("domain-4", Verb::journal_remove, {"vbd-3-51712"}).kind, Message::Kind::error);
  asks("domain-3", Verb::journal_remove, {"vbd-3-51712"});
  EXPECT_THAT(journals_.disks(), IsEmpty());
}

TEST_F(SupervisorTest, AWorkerThatIsOutdatedIsReplaced) {
  start();
  attach(3);
  says("domain-3", {Message::Kind::tell, Verb::outdated, 0, {"the walls are"}});
  EXPECT_TRUE(processes_.running["domain-3"]->told_to_stop);
  dies("domain-3");
  EXPECT_EQ(processes_.starts["domain-3"], 2);
}

TEST_F(SupervisorTest, AWorkerWhoseLastDiskIsGoneIsStopped) {
  start();
  attach(3);
  store_.remove(node(3));
  settle();
  EXPECT_FALSE(processes_.running["domain-3"]->told_to_stop) << "it has not let go of it yet";
  says("domain-3", {Message::Kind::tell, Verb::is_empty, 0, {"1"}});
  EXPECT_TRUE(processes_.running["domain-3"]->told_to_stop);
  dies("domain-3");
  EXPECT_TRUE(supervisor_.idle());
}

TEST_F(SupervisorTest, AnotherFollowsOneThatDied) {
  start();
  attach(3);
  world_.run_for(3s);
  dies("domain-3");
  EXPECT_EQ(processes_.starts["domain-3"], 2);
  dies("domain-3");
  EXPECT_EQ(processes_.starts["domain-3"], 2) << "one that ends at once is not started at once";
  world_.run_for(1s);
  EXPECT_EQ(processes_.starts["domain-3"], 3);
}

TEST_F(SupervisorTest, OneThatCannotBeStartedIsTriedAgain) {
  const sim::LogLines log;
  processes_.fails_to_start = true;
  start();
  attach(3);
  EXPECT_EQ(log.count_with("it could not be started: no more processes"), 1U);
  processes_.fails_to_start = false;
  world_.run_for(2s);
  EXPECT_THAT(processes_.names(), ElementsAre("domain-3"));
}

TEST_F(SupervisorTest, OneOfAnotherVersionIsReplaced) {
  processes_.left_behind = {"domain-3"};
  store_.write({{node(3) + "/frontend", "x"}});
  start();
  says_hello("domain-3", "0.9");
  EXPECT_TRUE(processes_.running["domain-3"]->told_to_stop);
  dies("domain-3");
  EXPECT_EQ(processes_.starts["domain-3"], 2);
}

TEST_F(SupervisorTest, OneThatWasThereGetsTheConfigurationOfThisProcess) {
  processes_.left_behind = {"domain-3"};
  start();
  says_hello("domain-3");
  const Message& sent = processes_.running["domain-3"]->sent.back();
  EXPECT_EQ(sent.verb, Verb::configure);
  EXPECT_EQ(sent.words, Words{"the configuration"});
}

TEST_F(SupervisorTest, WitnessesAreTheirOwnWorkers) {
  start();
  attach(3);
  attach(4);
  asks("domain-3", Verb::witness_keep, {"vbd-3-51712"}, a_witness());
  EXPECT_EQ(asks("domain-3", Verb::witness_fetch, {"vbd-3-51712"}).descriptors.size(), 1U);
  for (const Verb verb : {Verb::witness_keep, Verb::witness_fetch, Verb::witness_remove}) {
    const Message answer = asks("domain-4", verb, {"vbd-3-51712"}, a_witness());
    EXPECT_EQ(answer.kind, Message::Kind::error);
    EXPECT_THAT(answer.descriptors, IsEmpty());
  }
  for (const char* disk : {"", "no disk", "qdisk-4-51712", "vbd-4-51728"}) {
    EXPECT_EQ(asks("domain-4", Verb::witness_keep, {disk}).kind, Message::Kind::error) << disk;
  }
  EXPECT_THAT(witnesses_.disks(), ElementsAre("vbd-3-51712"));
  asks("domain-3", Verb::witness_remove, {"vbd-3-51712"});
  EXPECT_THAT(witnesses_.disks(), IsEmpty());
}

TEST_F(SupervisorTest, AWorkersDisksAreNoMoreThanItsNodes) {
  start();
  attach(3);
  attach(4);
  attach(4, 51728);
  EXPECT_EQ(asks("domain-3", Verb::disks_elsewhere, {"1000000"}).words, Words{"0"});
  EXPECT_EQ(asks("domain-4", Verb::disks_elsewhere, {"2"}).words, Words{"1"});
}

TEST_F(SupervisorTest, WordsThatAreMissingAreRefused) {
  start();
  attach(3);
  for (auto verb = Verb::hello; verb <= Verb::last; verb = static_cast<Verb>(int(verb) + 1)) {
    says("domain-3", {Message::Kind::call, verb, 1, {}});
    says("domain-3", {Message::Kind::tell, verb, 1, {}});
    says("domain-3", {Message::Kind::result, verb, 1, {}});
  }
  EXPECT_EQ(asks("domain-3", Verb::store_read, {node(3) + "/state"}).words, Words{"1"});
}

class WorkerAnswersTest : public SupervisorTest {
 protected:
  void SetUp() override {
    start();
    attach(3);
    attach(4);
  }

  /// Asks all, and has each of them answer.
  std::string ask(const std::map<std::string, std::string>& answers) {
    std::string whole;
    answers_.answer(R"({"command":"list"})",
                    [&whole](std::string answer) { whole = std::move(answer); });
    for (const auto& [worker, answer] : answers) {
      const Message& asked = processes_.running[worker]->sent.back();
      says(worker, {Message::Kind::result, Verb::request, asked.number, {answer}});
    }
    world_.run_until([&whole] { return !whole.empty(); });
    return whole;
  }

  static std::string disk(int domain) {
    return R"({"kind":"vbd","domain":)" + std::to_string(domain) +
           R"(,"device":51712,"state":"connected"})";
  }
  static std::string of(const std::string& disks) {
    return R"({"ok":true,"disks":[)" + disks + "]}";
  }

  WorkerAnswers answers_{supervisor_, {}};
};

TEST_F(WorkerAnswersTest, AreOne) {
  const std::string whole = ask({{"domain-3", of(disk(3))}, {"domain-4", of(disk(4))}});
  EXPECT_THAT(whole, HasSubstr("\"domain\":3"));
  EXPECT_THAT(whole, HasSubstr("\"domain\":4"));
}

TEST_F(WorkerAnswersTest, ASilentOnesDisksHang) {
  const std::string whole = ask({{"domain-4", of(disk(4))}});
  EXPECT_THAT(whole, HasSubstr("\"hanging\""));
  EXPECT_THAT(whole, HasSubstr("\"connected\""));
}

TEST_F(WorkerAnswersTest, WhatAWorkerSaysOfOthersIsDropped) {
  for (const std::string& lie : {disk(4), std::string("4"), std::string("{}"),
                                 std::string(R"({"domain":-1})")}) {
    const std::string whole = ask({{"domain-3", of(lie)}, {"domain-4", of("")}});
    EXPECT_THAT(whole, Not(HasSubstr("\"connected\""))) << lie;
    EXPECT_THAT(whole, HasSubstr("\"disks\":[]")) << lie;
  }
}

}  // namespace
}  // namespace tapring
