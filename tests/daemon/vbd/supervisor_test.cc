// SPDX-License-Identifier: MIT
// Which worker processes there are, and what one gets of another's, whatever it asks for.
#include "tests/daemon/vbd/supervisor_test.h"

#include <gmock/gmock.h>

#include "daemon/control/worker_answers.h"
#include "tests/sim/log_lines.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

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
