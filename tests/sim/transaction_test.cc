// SPDX-License-Identifier: MIT
#include "tests/sim/transaction.h"

#include <gtest/gtest.h>

#include <string>

namespace tapring::sim {
namespace {

using Outcome = XenstoreTransaction::Outcome;

class Transaction : public testing::Test, public StoreWatcher {
 protected:
  Transaction() { store_.write({{"/a/state", "1"}, {"/a/other", "x"}}); }

  SimTransaction begin() { return {world_, store_, 0}; }

  /// What becomes of transactions that read or write with others' work in the middle: `done` if
  /// they ever are, else the conflict is not one for no reason.
  template <typename Ours, typename Theirs>
  Outcome outcome(Ours ours, Theirs theirs) {
    for (int attempt = 0; attempt < 50; ++attempt) {
      SimTransaction transaction = begin();
      ours(transaction);
      theirs();
      if (transaction.commit() == Outcome::done) return Outcome::done;
    }
    return Outcome::conflict;
  }

  void changed(const std::string&, const std::string&, const std::string&) override {
    seen_ = store_.read("/a/state").value_or("") + store_.read("/a/x").value_or("");
  }

  SimWorld world_{1};
  SimStore store_;
  std::string seen_;
};

TEST_F(Transaction, SeesWhatItWroteAndOthersSeeItWhenItIsDone) {
  const auto ours = [this](SimTransaction& transaction) {
    transaction.write("/a/x", "1");
    EXPECT_EQ(transaction.read("/a/x"), "1");
    EXPECT_EQ(transaction.read("/a/state"), "1");
    EXPECT_EQ(store_.read("/a/x"), std::nullopt);
  };
  EXPECT_EQ(outcome(ours, [] {}), Outcome::done);
  EXPECT_EQ(store_.read("/a/x"), "1");
}

TEST_F(Transaction, LeavesNothingWithoutACommit) {
  {
    begin().write("/b", "1");
  }
  EXPECT_FALSE(store_.exists("/b"));
}

TEST_F(Transaction, LeavesNothingWhenInConflict) {
  const auto ours = [](SimTransaction& transaction) {
    transaction.read("/a/state");
    transaction.write("/a/x", "1");
  };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "1"}}); }), Outcome::conflict);
  EXPECT_FALSE(store_.exists("/a/x"));
}

TEST_F(Transaction, ConflictsWithAWriteToWhatItRead) {
  const auto ours = [](SimTransaction& transaction) { transaction.read("/a/state"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "5"}}); }), Outcome::conflict);
}

TEST_F(Transaction, ConflictsWithAWriteToWhatItWrote) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "5"}}); }), Outcome::conflict);
  EXPECT_EQ(store_.read("/a/state"), "5");
}

TEST_F(Transaction, ConflictsWithTheMakingOfWhatItMissed) {
  const auto ours = [](SimTransaction& transaction) {
    EXPECT_EQ(transaction.read("/b/c"), std::nullopt);
  };
  const auto theirs = [this] { store_.write({{"/b/c", "1"}}); };
  SimTransaction transaction = begin();
  ours(transaction);
  theirs();
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
}

TEST_F(Transaction, ConflictsWithTheRemovalOfTheDirectoryItWritesTo) {
  SimTransaction transaction = begin();
  transaction.write("/a/x", "1");
  store_.remove("/a");
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
  EXPECT_FALSE(store_.exists("/a"));
}

TEST_F(Transaction, IsNotDisturbedByWhatItHasNotToDoWith) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/other", "y"}}); }), Outcome::done);
}

TEST_F(Transaction, ReadsTheSameTwice) {
  SimTransaction transaction = begin();
  EXPECT_EQ(transaction.read("/a/state"), "1");
  store_.write({{"/a/state", "5"}});
  EXPECT_EQ(transaction.read("/a/state"), "1");
}

TEST_F(Transaction, ConflictsForNoReasonNowAndThen) {
  unsigned conflicts = 0;
  for (int i = 0; i < 1000; ++i) conflicts += begin().commit() == Outcome::conflict ? 1U : 0U;
  EXPECT_GT(conflicts, 0U);
  EXPECT_LT(conflicts, 100U);
}

TEST_F(Transaction, IsNeverSeenInHalves) {
  store_.watch("/a/state", "t", *this);
  const auto ours = [](SimTransaction& transaction) {
    transaction.write("/a/state", "4");
    transaction.write("/a/x", "there");
  };
  EXPECT_EQ(outcome(ours, [this] { EXPECT_EQ(seen_, "1"); }), Outcome::done);
  EXPECT_EQ(seen_, "4there");
  store_.unwatch_all(*this);
}

TEST_F(Transaction, MeetsWhatWasPutOff) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  store_.put_off([this] { store_.write({{"/a/state", "5"}}); });
  SimTransaction transaction = begin();
  ours(transaction);
  EXPECT_EQ(store_.read("/a/state"), "1");
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
  EXPECT_EQ(store_.read("/a/state"), "5");
}

}  // namespace
}  // namespace tapring::sim
