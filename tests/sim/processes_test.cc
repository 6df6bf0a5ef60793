// SPDX-License-Identifier: MIT
// A control process and its workers, of which any may die with any message between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/load.h"

namespace tapring::sim {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;
using Progress = SimToolstack::Progress;
using Victim = SimMessageDeaths::Victim;

constexpr std::size_t kThreads = 2;
constexpr uint64_t kSeed = 1;
constexpr uint64_t kImageBytes = uint64_t{4} << 20U;

/// One host, with a worker process for each guest.
class Processes {
 public:
  explicit Processes(uint64_t seed)
      : host(seed, Host::kMaxPersistentGrants, DomainId{0}, kThreads, {}, Isolation::guest) {}
  ~Processes() {
    for (const SimFrontend* frontend : frontends_) EXPECT_THAT(frontend->violations(), IsEmpty());
  }

  DiskLine line(DomainId guest, const std::string& image, uint32_t device = 51712) {
    return {.name = {.domain = guest, .device = device},
            .params = host.make_image(image, kImageBytes),
            .mode = "w"};
  }

  SimFrontend& attach(const DiskLine& line) {
    SimFrontend& frontend = host.attach(line, {.queues = 2});
    frontends_.push_back(&frontend);
    return frontend;
  }

  SimFrontend& connect(const DiskLine& line) {
    SimFrontend& frontend = attach(line);
    EXPECT_TRUE(host.run_until([&] { return frontend.connected(); }, 10s));
    return frontend;
  }

  void serve(SimFrontend& frontend, const LoadOptions& options = {.requests = 50}) {
    SimLoad load(host.world(), frontend, options);
    EXPECT_TRUE(host.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
  }

  int16_t flush(SimFrontend& frontend) {
    std::optional<int16_t> answer;
    frontend.flush([&answer](int16_t status) { answer = status; });
    EXPECT_TRUE(host.run_until([&] { return answer.has_value(); }));
    return answer.value_or(-1);
  }

  bool is_gone(const DiskLine& line) {
    return host.run_until([&] { return host.toolstack().progress(line.name) == Progress::gone; },
                          10s);
  }

  void detach(const DiskLine& line) {
    host.toolstack().detach(line.name);
    EXPECT_TRUE(is_gone(line)) << "state " << host.backend_state(line);
  }

  void expect_nothing_held() {
    EXPECT_TRUE(host.run_until([&] { return host.held().empty(); }, 5s)) << host.held();
  }

  std::shared_ptr<SimWorkerProcess> worker() {
    const auto running = host.workers().running();
    EXPECT_THAT(running, SizeIs(1));
    return running.front();
  }

  Host host;

 private:
  std::vector<SimFrontend*> frontends_;
};

class ProcessesTest : public testing::TestWithParam<uint64_t> {
 protected:
  Processes processes_{GetParam()};
  Host& host_ = processes_.host;
  /// Only who has had the image open before is still told.
  void lose_writes() {
    const std::string image = host_.image_path("a.img");
    uint64_t other = host_.storage().told_at_opening(image);
    host_.storage().lose_writes(image, EIO);
    EXPECT_TRUE(host_.storage().take_writeback_error(image, other));
  }

  DiskLine disk_ = processes_.line(1, "a.img");
};

INSTANTIATE_TEST_SUITE_P(Seeds, ProcessesTest, testing::ValuesIn(seeds(4)));

/// A disk's whole life, in which somebody dies with that message. False if it has no so many.
bool live(uint64_t seed, uint64_t message, Victim victim) {
  Processes processes(seed);
  Host& host = processes.host;
  const DiskLine disk = processes.line(1, "a.img");
  host.message_deaths().at_message(message, victim);
  SimFrontend& frontend = processes.connect(disk);
  processes.serve(frontend, {.requests = 10});
  processes.detach(disk);
  processes.expect_nothing_held();
  EXPECT_TRUE(host.run_until([&] { return host.journals().disks().empty(); }, 5s));
  return host.message_deaths().sent() >= message;
}

class DeathAtEveryMessage : public testing::TestWithParam<Victim> {};

INSTANTIATE_TEST_SUITE_P(Victims, DeathAtEveryMessage,
                         testing::Values(Victim::sender, Victim::receiver, Victim::both));

TEST_P(DeathAtEveryMessage, HoldsNothingUp) {
  uint64_t message = 1;
  // Of one seed, so that it is each message once.
  while (live(kSeed, message, GetParam()) && !HasFailure()) ++message;
  EXPECT_GT(message, 50U);
  EXPECT_FALSE(HasFailure()) << "message " << message;
}

TEST_P(ProcessesTest, AGuestIsServedWhileThereIsNoControlProcess) {
  SimFrontend& frontend = processes_.connect(disk_);
  host_.kill_control(1h);
  processes_.serve(frontend);
  host_.start();
  processes_.detach(disk_);
  processes_.expect_nothing_held();
}

TEST_P(ProcessesTest, AGuestThatGoesMeanwhileLeavesNothingBehind) {
  SimFrontend& frontend = processes_.connect(disk_);
  processes_.serve(frontend);
  host_.kill_control(1h);
  frontend.die();
  host_.toolstack().destroy(1);
  EXPECT_TRUE(host_.run_until([&] { return host_.toolstack().has_nothing(); }));
  host_.start();
  processes_.expect_nothing_held();
  EXPECT_THAT(host_.journals().disks(), IsEmpty());
}

TEST_P(ProcessesTest, AnotherGuestDoesNotNoticeTheDeathOfAWorker) {
  const DiskLine other = processes_.line(2, "b.img");
  SimFrontend& frontend = processes_.connect(disk_);
  const auto worker = processes_.worker();
  SimFrontend& neighbour = processes_.connect(other);
  host_.world().run_for(3s);
  SimLoad load(host_.world(), frontend, {.requests = 300});
  SimLoad others(host_.world(), neighbour, {.requests = 300, .depth = 4});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  worker->die();
  EXPECT_TRUE(host_.run_until([&] { return load.done() && others.done(); }));
  EXPECT_EQ(load.failed() + others.failed(), 0U);
  EXPECT_LT(others.slowest(), 50ms);
}

TEST_P(ProcessesTest, ALostWriteIsToldThoughBothDie) {
  SimFrontend& frontend = processes_.connect(disk_);
  processes_.serve(frontend, {.requests = 20, .writes = 1, .flushes = 0});
  lose_writes();
  host_.kill();
  host_.start();
  EXPECT_EQ(processes_.flush(frontend), kGuestError);
  processes_.detach(disk_);
  processes_.expect_nothing_held();
}

TEST_P(ProcessesTest, ALostWriteIsToldThoughTheWorkerDiesTwice) {
  SimFrontend& frontend = processes_.connect(disk_);
  processes_.serve(frontend, {.requests = 20, .writes = 1, .flushes = 0});
  lose_writes();
  for (int deaths = 0; deaths < 2; ++deaths) {
    processes_.worker()->die();
    EXPECT_EQ(processes_.flush(frontend), kGuestError);
  }
  processes_.detach(disk_);
  processes_.expect_nothing_held();
}

/// Its next worker has opened nothing of it.
TEST_P(ProcessesTest, NothingIsHeldOfADiskThatClosesAfterTheDeathOfItsWorker) {
  SimFrontend& frontend = processes_.connect(disk_);
  processes_.serve(frontend);
  host_.world().run_for(3s);
  processes_.worker()->die();
  frontend.close();
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk_) == 6; }));
  EXPECT_FALSE(host_.keeps_witnesses({"vbd", disk_.name.domain, disk_.name.device}));
  processes_.detach(disk_);
  processes_.expect_nothing_held();
}

TEST_P(ProcessesTest, NothingIsHeldOfADiskThatGoesWithItsWorker) {
  processes_.serve(processes_.connect(disk_));
  host_.world().run_for(3s);
  processes_.worker()->die();
  host_.toolstack().force_detach(disk_.name);
  EXPECT_TRUE(processes_.is_gone(disk_));
  processes_.expect_nothing_held();
  EXPECT_THAT(host_.journals().disks(), IsEmpty());
}

/// Its next worker is there for another disk, and never sees it.
TEST_P(ProcessesTest, NothingIsHeldOfOneOfTwoDisksThatGoesWithItsWorker) {
  const DiskLine other = processes_.line(1, "b.img", 51728);
  SimFrontend& frontend = processes_.connect(disk_);
  SimFrontend& left = processes_.connect(other);
  processes_.serve(frontend);
  host_.world().run_for(3s);
  processes_.worker()->die();
  host_.toolstack().force_detach(disk_.name);
  EXPECT_TRUE(processes_.is_gone(disk_));
  processes_.serve(left);
  EXPECT_THAT(host_.journals().disks(), testing::ElementsAre("vbd-1-51728"));
  processes_.detach(other);
  processes_.expect_nothing_held();
}

TEST_P(ProcessesTest, WorkersOfAnotherVersionAreReplacedUnderLoad) {
  SimFrontend& frontend = processes_.connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 500});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  host_.workers().upgrade();
  host_.kill_control(10ms);
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_TRUE(host_.run_until([&] {
    const auto running = host_.workers().running();
    return !running.empty() && running.front()->version() == host_.workers().version();
  }));
}

TEST_P(ProcessesTest, AWorkerThatIsOutdatedIsReplacedUnderLoad) {
  SimFrontend& frontend = processes_.connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 500});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  const auto outdated = processes_.worker();
  outdated->say_outdated();
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_FALSE(outdated->running());
}

}  // namespace
}  // namespace tapring::sim
