// SPDX-License-Identifier: MIT
// A guest that does to its backend whatever it can. After each attack it closes the disk as it
// should, and comes again: a backend that still follows has survived.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "tests/pretend/guest_disk.h"
#include "tests/sim/random.h"

namespace tapring::pretend {

class Hostile final : private DiskUser {
 public:
  struct Attack {
    const char* name;
    void (Hostile::*run)();
  };

  Hostile(GuestWorld& world, sim::DiskName name, const GuestDiskOptions& options, uint64_t seed);

  static std::span<const Attack> attacks();

  /// Throws std::runtime_error if the backend does not follow any more.
  void run(const Attack& attack);

 private:
  void answered(GuestQueue&, uint32_t, int16_t) override {}
  void answered_all(GuestQueue&) override {}

  void random_requests();
  void revoked_pages();
  void producer_ahead();
  void producer_back();
  void scribbled_ring();
  void empty_events();
  void random_keys();
  void random_states();

  GuestQueue& connect();
  sim::FrontRequest random_request(GuestQueue& queue);
  GrantRef random_ref(GuestQueue& queue);
  uint32_t random_number();
  void kick(GuestQueue& queue);
  void wait_for_answers(GuestQueue& queue, uint32_t answers);
  void leave();
  void pause(std::chrono::milliseconds time);

  GuestWorld& world_;
  sim::Random random_;
  GuestDisk disk_;
};

}  // namespace tapring::pretend
