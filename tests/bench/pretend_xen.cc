// SPDX-License-Identifier: MIT
// What a backend pays the pretend Xen for an event and a copy, in a process that does nothing else.
#include <benchmark/benchmark.h>
#include <xen/xen.h>
// After xen.h, whose types it uses.
#include <xen/grant_table.h>

#include <cstring>
#include <optional>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/pretend/domains.h"
#include "tests/pretend/events.h"
#include "tests/pretend/grants.h"
#include "tests/pretend/guest_memory.h"

namespace tapring::pretend {
namespace {

constexpr DomainId kGuest = 1;

/// A machine with a guest that has some pages.
struct World {
  static constexpr uint32_t kGuestPages = 256;

  World() {
    create_domain(machine, kGuest);
    memory.emplace(machine, kGuest, kGuestPages);
    for (uint32_t page = 0; page < kGuestPages; ++page) {
      memory->grant(page, 0, Permission::read_write);
    }
  }
  static std::filesystem::path made(const std::filesystem::path& directory) {
    Machine::create(directory);
    return directory;
  }

  TemporaryDirectory directory;
  Machine machine{made(directory.path())};
  std::optional<GuestMemory> memory;
};

void notify_a_guest_that_polls(benchmark::State& state) {
  World world;
  Events guest(world.machine, kGuest);
  Events ours(world.machine, 0);
  const Port port = ours.bind_interdomain(kGuest, guest.allocate_polled(0).value()).value();
  for ([[maybe_unused]] auto _ : state) ours.notify(port);
}
BENCHMARK(notify_a_guest_that_polls);

/// The write and the read of a FIFO too; nobody sleeps.
void notify_and_take_and_unmask(benchmark::State& state) {
  World world;
  Events guest(world.machine, kGuest);
  Events ours(world.machine, 0);
  const Port theirs = guest.allocate_unbound(0).value();
  const Port port = ours.bind_interdomain(kGuest, theirs).value();
  for ([[maybe_unused]] auto _ : state) {
    ours.notify(port);
    Port taken = 0;
    benchmark::DoNotOptimize(guest.take({&taken, 1}));
    guest.unmask(theirs);
  }
}
BENCHMARK(notify_and_take_and_unmask);

/// So many pages in a call, the same ones again and again.
void copy_to_the_guest(benchmark::State& state) {
  World world;
  Grants grants(world.machine, 0);
  std::vector<std::byte> from(World::kGuestPages * kPageBytes);
  std::vector<Grants::Copy> copies(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].source.virt = from.data() + i * kPageBytes;
    copies[i].dest.foreign.ref = world.memory->ref(static_cast<uint32_t>(i));
    copies[i].dest.foreign.domid = kGuest;
    copies[i].len = kPageBytes;
    copies[i].flags = GNTCOPY_dest_gref;
  }
  for ([[maybe_unused]] auto _ : state) {
    if (grants.copy(copies) || copies.front().status != GNTST_okay) state.SkipWithError("refused");
  }
}
BENCHMARK(copy_to_the_guest)->Arg(1)->Arg(16)->Arg(256);

/// What of the copies is the data's.
void memcpy_alone(benchmark::State& state) {
  World world;
  std::vector<std::byte> from(World::kGuestPages * kPageBytes);
  const auto pages = static_cast<uint32_t>(state.range(0));
  const std::span<std::byte> to = world.memory->pages(0, pages);
  for ([[maybe_unused]] auto _ : state) {
    for (std::size_t at = 0; at < to.size(); at += kPageBytes) {
      std::memcpy(to.data() + at, from.data() + at, kPageBytes);
      benchmark::ClobberMemory();
    }
  }
}
BENCHMARK(memcpy_alone)->Arg(1)->Arg(16)->Arg(256);

}  // namespace
}  // namespace tapring::pretend

BENCHMARK_MAIN();
