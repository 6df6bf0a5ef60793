// SPDX-License-Identifier: MIT
// A guest's requests for whose coroutines there is no memory, each in turn.
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <thread>

#include "tests/daemon/datapath/bare_disk.h"
#include "tests/ring/failing_memory.h"

namespace tapring {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// On a thread of its own, as frames that a thread had once are its own for ever.
class DiskWithoutMemory : public BareDisk {
 public:
  void TestBody() override {}

  /// Whether any was lacking.
  bool expect_answers(std::size_t good, std::size_t failing) {
    const std::array requests{
        request(sim::kGuestWrite, 0, whole(page())),
        indirect(sim::kGuestRead, 8, {whole(page()), whole(page())}),
        request(sim::kGuestFlush, 0, {}),
        request(sim::kGuestBarrier, 16, whole(page())),
        discard(24, 8),
    };
    FailingMemory memory(good, failing, FailingMemory::Of::frames);
    memory.during([&] {
      for (const sim::FrontRequest& each : requests) expect_answer(each);
    });
    expect_answer(request(sim::kGuestRead, 0, whole(page())));
    return memory.has_failed();
  }

 private:
  void expect_answer(const sim::FrontRequest& request) {
    const int answered = status(request);
    EXPECT_TRUE(answered == sim::kGuestOkay || answered == sim::kGuestError) << answered;
  }
};

bool expect_answers(std::size_t good, std::size_t failing) {
  bool failed = false;
  std::thread([&] {
    DiskWithoutMemory disk;
    failed = disk.expect_answers(good, failing);
  }).join();
  return failed;
}

TEST(OutOfMemory, EachRequestIsAnswered) {
  std::size_t good = 0;
  while (expect_answers(good, 1)) ++good;
  EXPECT_GT(good, 5U);
}

TEST(OutOfMemory, EachRequestIsAnsweredForAsLongAsItLasts) {
  std::size_t good = 0;
  while (expect_answers(good, kAll)) ++good;
}

}  // namespace
}  // namespace tapring
