// SPDX-License-Identifier: MIT
// What the control process keeps of disks for their next worker: who gets it, and when it goes.
#include <gmock/gmock.h>

#include "tests/daemon/vbd/supervisor_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

using WorkerRecordsTest = SupervisorTest;

TEST_F(WorkerRecordsTest, AWorkerReachesTheJournalsOfItsOwnDisksAlone) {
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

TEST_F(WorkerRecordsTest, WitnessesAreTheirOwnWorkers) {
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

TEST_F(WorkerRecordsTest, AWorkerIsToldOfWhatItsPredecessorKept) {
  start();
  attach(3);
  attach(4);
  asks("domain-3", Verb::witness_keep, {"vbd-3-51712"}, a_witness());
  dies("domain-3");
  world_.run_for(2s);
  EXPECT_THAT(asks("domain-3", Verb::witness_list, {}).words, ElementsAre("vbd-3-51712"));
  EXPECT_THAT(asks("domain-4", Verb::witness_list, {}).words, IsEmpty());
}

TEST_F(WorkerRecordsTest, WhatIsKeptOfADiskThatGoesWithItsWorkerIsDropped) {
  start();
  attach(3);
  asks("domain-3", Verb::journal_open, {"vbd-3-51712", "0", "4096"});
  asks("domain-3", Verb::witness_keep, {"vbd-3-51712"}, a_witness());
  dies("domain-3");
  store_.remove(node(3));
  world_.run_for(2s);
  EXPECT_THAT(witnesses_.disks(), IsEmpty());
  EXPECT_THAT(kept_journals_.disks(), IsEmpty());
}

TEST_F(WorkerRecordsTest, WithoutXenstoreNobodyIsToldThatADiskIsAnothers) {
  start();
  attach(3);
  xenstored_.go_away(1s);
  settle();
  const Message answer = asks("domain-3", Verb::witness_fetch, {"vbd-5-51712"});
  EXPECT_EQ(answer.kind, Message::Kind::error);
  EXPECT_THAT(answer.words.at(2), "1");  // to be asked again
}

}  // namespace
}  // namespace tapring
