// SPDX-License-Identifier: MIT
// What is asked of libxenevtchn, and what is made of its events: its functions are defined here,
// and hide those of the library.
#include "ring/xen_event_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <system_error>
#include <vector>

#include "ring/unique_fd.h"

struct xenevtchn_handle {};

namespace tapring {
namespace {

/// A device that is readable while events are pending.
struct FakeLibrary {
  int open_error = 0;
  xenevtchn_port_or_error_t bound = 3;
  std::deque<Port> pending;
  std::vector<Port> notified;
  std::vector<Port> unmasked;
  std::vector<Port> unbound;
  UniqueFd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  xenevtchn_handle handle;

  void raise(Port port) {
    pending.push_back(port);
    const uint64_t one = 1;
    EXPECT_EQ(::write(fd.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
};

FakeLibrary* library = nullptr;

class CountingSink final : public EventSink {
 public:
  void event() override { ++events; }
  int events = 0;
};

class XenEventChannelTest : public testing::Test {
 protected:
  XenEventChannelTest() { library = &library_; }

  FakeLibrary library_;
  UringLoop loop_;
  CountingSink sink_;
};

TEST_F(XenEventChannelTest, WithoutTheDeviceItSaysWhatIsMissing) {
  library_.open_error = ENOENT;
  try {
    const XenEventChannel events(loop_);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/dev/xen/evtchn"));
  }
}

TEST_F(XenEventChannelTest, AnEventReachesTheSinkOfItsPort) {
  XenEventChannel events(loop_);
  EXPECT_EQ(events.bind(5, 17, sink_), Port{3});
  for (int event = 1; event <= 3; ++event) {
    library_.raise(3);
    loop_.turn(true);
    EXPECT_EQ(sink_.events, event);
  }
}

TEST_F(XenEventChannelTest, AnEventOfNobodyIsPassedOver) {
  XenEventChannel events(loop_);
  EXPECT_TRUE(events.bind(5, 17, sink_));
  library_.raise(99);
  library_.raise(3);
  loop_.turn(true);
  EXPECT_EQ(sink_.events, 1);
}

TEST_F(XenEventChannelTest, NoEventComesAfterUnbind) {
  XenEventChannel events(loop_);
  EXPECT_TRUE(events.bind(5, 17, sink_));
  events.unbind(3);
  EXPECT_THAT(library_.unbound, testing::ElementsAre(3));
  library_.raise(3);
  loop_.turn(true);
  EXPECT_EQ(sink_.events, 0);
}

TEST_F(XenEventChannelTest, WhatCannotBeBoundIsAnErrorEvenIfNoneIsSet) {
  XenEventChannel events(loop_);
  library_.bound = -1;
  errno = ESRCH;
  EXPECT_EQ(events.bind(5, 17, sink_), std::unexpected(system_error_code(ESRCH)));
  errno = 0;
  EXPECT_EQ(events.bind(5, 17, sink_), std::unexpected(system_error_code(EINVAL)));
}

TEST_F(XenEventChannelTest, NotifyAndUnmaskAreOfTheirPort) {
  XenEventChannel events(loop_);
  events.notify(3);
  events.unmask(4);
  EXPECT_THAT(library_.notified, testing::ElementsAre(3));
  EXPECT_THAT(library_.unmasked, testing::ElementsAre(4));
}

TEST_F(XenEventChannelTest, AFloodDoesNotKeepTheLoopFromItsOtherWork) {
  constexpr int kFlood = 1000;
  XenEventChannel events(loop_);
  EXPECT_TRUE(events.bind(5, 17, sink_));
  for (int i = 0; i < kFlood; ++i) library_.raise(3);
  loop_.turn(true);
  EXPECT_LT(sink_.events, kFlood);
  while (sink_.events < kFlood) loop_.turn(true);
  EXPECT_TRUE(library_.pending.empty());
}

}  // namespace
}  // namespace tapring

using tapring::library;

extern "C" {

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned) {
  errno = library->open_error;
  return library->open_error == 0 ? &library->handle : nullptr;
}

int xenevtchn_close(xenevtchn_handle*) {
  return 0;
}

int xenevtchn_fd(xenevtchn_handle*) {
  return library->fd.get();
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle*, uint32_t, evtchn_port_t) {
  return library->bound;
}

int xenevtchn_unbind(xenevtchn_handle*, evtchn_port_t port) {
  library->unbound.push_back(port);
  return 0;
}

int xenevtchn_notify(xenevtchn_handle*, evtchn_port_t port) {
  library->notified.push_back(port);
  return 0;
}

int xenevtchn_unmask(xenevtchn_handle*, evtchn_port_t port) {
  library->unmasked.push_back(port);
  return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle*) {
  if (library->pending.empty()) {
    uint64_t count;
    errno = ::read(library->fd.get(), &count, sizeof count) < 0 ? errno : EAGAIN;
    return -1;
  }
  const tapring::Port port = library->pending.front();
  library->pending.pop_front();
  return static_cast<xenevtchn_port_or_error_t>(port);
}

}  // extern "C"
