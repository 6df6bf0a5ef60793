// SPDX-License-Identifier: MIT
#include "tests/pretend/hostile.h"

#include <xen/io/xenbus.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>

namespace tapring::pretend {
namespace {

using std::chrono_literals::operator""ms;

constexpr int kRounds = 20;
constexpr uint32_t kNotifications = 20000;
constexpr std::size_t kResponseProducer = 8;

std::string text_of(sim::Random& random, uint32_t number) {
  static constexpr std::array<const char*, 5> kNoNumbers{"", "-1", "0x10", "99999999999999", "a/b"};
  if (random.chance(0.3)) return kNoNumbers.at(random.below(kNoNumbers.size()));
  return std::to_string(number);
}

}  // namespace

Hostile::Hostile(GuestWorld& world, sim::DiskName name, const GuestDiskOptions& options,
                 uint64_t seed)
    : world_(world), random_(seed), disk_(world, name, options, *this) {}

std::span<const Hostile::Attack> Hostile::attacks() {
  static constexpr std::array kAttacks{
      Attack{"random-requests", &Hostile::random_requests},
      Attack{"revoked-pages", &Hostile::revoked_pages},
      Attack{"producer-ahead", &Hostile::producer_ahead},
      Attack{"producer-back", &Hostile::producer_back},
      Attack{"scribbled-ring", &Hostile::scribbled_ring},
      Attack{"empty-events", &Hostile::empty_events},
      Attack{"random-keys", &Hostile::random_keys},
      Attack{"random-states", &Hostile::random_states},
  };
  return kAttacks;
}

void Hostile::run(const Attack& attack) {
  (this->*attack.run)();
  leave();
}

/// Whatever the requests are, each of them is answered.
void Hostile::random_requests() {
  GuestQueue& queue = connect();
  for (uint32_t slot = 0; slot < queue.options().depth; ++slot) {
    for (uint32_t page = 0; page <= queue.options().most_segments; ++page) {
      queue.memory().grant(queue.list_page(slot) + page, 0,
                           random_.chance(0.8) ? Permission::read_write : Permission::read);
    }
  }
  uint32_t produced = 0;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t count = random_.between(1, queue.ring().size());
    for (uint64_t i = 0; i < count; ++i) queue.ring().put(random_request(queue));
    produced += static_cast<uint32_t>(count);
    kick(queue);
    wait_for_answers(queue, produced);
  }
}

void Hostile::revoked_pages() {
  GuestQueue& queue = connect();
  for (int round = 0; round < kRounds; ++round) {
    while (const auto slot = queue.take_slot()) {
      GuestIo io;
      io.operation = random_.chance(0.5) ? sim::kGuestRead : sim::kGuestWrite;
      io.sectors = static_cast<uint32_t>(random_.between(1, queue.most_sectors()));
      queue.put(*slot, io);
      const uint32_t page = queue.data_page(*slot);
      if (random_.chance(0.5)) queue.memory().end_access(page);
      if (random_.chance(0.2)) queue.memory().end_access(queue.list_page(*slot));
      if (random_.chance(0.2)) queue.memory().grant(page, 1, Permission::read_write);
    }
    kick(queue);
    world_.wait_for("answers for pages that were taken back",
                    [&] { return queue.in_flight() == 0; });
  }
}

void Hostile::producer_ahead() {
  GuestQueue& queue = connect();
  queue.ring().set_producer(1U << 31U);
  kick(queue);
  pause(20ms);
}

void Hostile::producer_back() {
  GuestQueue& queue = connect();
  const uint32_t some = queue.ring().size() / 2;
  for (uint32_t i = 0; i < some; ++i) queue.ring().put(random_request(queue));
  kick(queue);
  wait_for_answers(queue, some);
  queue.ring().set_producer(some / 2);
  kick(queue);
  pause(20ms);
}

void Hostile::scribbled_ring() {
  GuestQueue& queue = connect();
  for (int round = 0; round < kRounds; ++round) {
    for (uint32_t i = 0; i < queue.ring().size(); ++i) queue.ring().put(random_request(queue));
    kick(queue);
    const std::span<std::byte> bytes = queue.ring_bytes();
    for (int i = 0; i < 64; ++i) {
      const uint64_t word = random_.next();
      std::memcpy(bytes.subspan(random_.below(bytes.size() - sizeof word)).data(), &word,
                  sizeof word);
    }
    kick(queue);
  }
}

void Hostile::empty_events() {
  GuestQueue& queue = connect();
  for (uint32_t i = 0; i < kNotifications; ++i) kick(queue);
}

void Hostile::random_keys() {
  static constexpr std::array<const char*, 10> kKeys{"ring-ref",
                                                     "ring-ref0",
                                                     "ring-ref1",
                                                     "event-channel",
                                                     "ring-page-order",
                                                     "protocol",
                                                     "queue-0/ring-ref",
                                                     "queue-1/event-channel",
                                                     "multi-queue-num-queues",
                                                     "feature-persistent"};
  for (int round = 0; round < kRounds; ++round) {
    XenstoreKeys keys;
    for (int i = 0; i < 3; ++i) {
      keys[kKeys.at(random_.below(kKeys.size()))] = text_of(random_, random_number());
    }
    disk_.offer(keys);
    world_.wait_for("an end of the negotiation", [this] {
      const uint32_t state = disk_.backend_state();
      return state == XenbusStateConnected || state == XenbusStateClosed;
    });
    leave();
  }
}

void Hostile::random_states() {
  connect();
  for (int round = 0; round < 10 * kRounds; ++round) {
    const std::string state = text_of(random_, static_cast<uint32_t>(random_.below(10)));
    disk_.set_state(0, {{"state", state}});
    if (random_.chance(0.1)) pause(3ms);
  }
}

GuestQueue& Hostile::connect() {
  // These are there, and wrong, from attacks before.
  disk_.connect({{"multi-queue-num-queues", "1"}, {"ring-page-order", "0"}});
  return *disk_.queues().front();
}

sim::FrontRequest Hostile::random_request(GuestQueue& queue) {
  sim::FrontRequest request;
  request.operation = static_cast<uint8_t>(random_.chance(0.9) ? random_.below(8) : random_.next());
  request.inner_operation =
      static_cast<uint8_t>(random_.chance(0.9) ? random_.below(8) : random_.next());
  request.segment_count =
      static_cast<uint16_t>(random_.chance(0.8) ? random_.below(14) : random_.next());
  request.id = random_.next();
  request.sector = random_.chance(0.8) ? random_.below(disk_.sectors() + 64) : random_.next();
  for (sim::GuestSegment& segment : request.segments) {
    segment.gref = random_ref(queue);
    segment.first_sect =
        static_cast<uint8_t>(random_.chance(0.9) ? random_.below(8) : random_.next());
    segment.last_sect =
        static_cast<uint8_t>(random_.chance(0.9) ? random_.below(9) : random_.next());
  }
  for (uint32_t& ref : request.indirect_refs) ref = random_ref(queue);
  request.discard_sectors = random_.chance(0.5) ? random_.below(64) : random_.next();
  request.discard_flag = static_cast<uint8_t>(random_.next());
  return request;
}

/// Not of the ring's own pages, whose indices the answers would overwrite.
GrantRef Hostile::random_ref(GuestQueue& queue) {
  if (random_.chance(0.1)) return random_number() | kGrants;
  const auto slot = static_cast<uint32_t>(random_.below(queue.options().depth));
  const auto page = static_cast<uint32_t>(random_.below(queue.options().most_segments));
  return queue.memory().ref(queue.data_page(slot) + page);
}

uint32_t Hostile::random_number() {
  switch (random_.below(3)) {
    case 0:
      return static_cast<uint32_t>(random_.below(16));
    case 1:
      return UINT32_MAX - static_cast<uint32_t>(random_.below(16));
    default:
      return static_cast<uint32_t>(random_.next());
  }
}

void Hostile::kick(GuestQueue& queue) {
  queue.ring().push();
  world_.events().notify(queue.port());
}

void Hostile::wait_for_answers(GuestQueue& queue, uint32_t answers) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const std::byte* index = queue.ring_bytes().subspan(kResponseProducer, sizeof answers).data();
  for (;;) {
    uint32_t answered = 0;
    std::memcpy(&answered, index, sizeof answered);
    if (answered == answers) return;
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(std::to_string(answers - answered) + " requests are not answered");
    }
    pause(1ms);
  }
}

/// Whatever was before: a frontend that says 6 gets a 6.
void Hostile::leave() {
  disk_.set_state(XenbusStateClosing);
  disk_.set_state(XenbusStateClosed);
  pause(5ms);
  disk_.wait_for_backend(XenbusStateClosed);
}

void Hostile::pause(std::chrono::milliseconds time) {
  world_.context().run_for(time);
}

}  // namespace tapring::pretend
