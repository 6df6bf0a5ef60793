// SPDX-License-Identifier: MIT
// One ring of a guest's disk with its requests: what Linux's blkfront checks of each response, as
// far as it distrusts its backend, is checked here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/front_ring.h"
#include "tests/sim/machine.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// A request of the guest's block layer.
struct FrontIo {
  /// For a read that succeeded, what was read; else empty.
  using Done = std::function<void(int16_t status, std::span<const std::byte> data)>;

  uint8_t operation = kGuestRead;
  uint64_t sector = 0;
  uint32_t sectors = 0;
  std::vector<std::byte> data;  ///< of a write, or of a flush or barrier that carries one
  Done done;

  bool moves_data() const noexcept { return operation != kGuestDiscard && sectors > 0; }
};

class FrontQueue {
 public:
  struct Options {
    Abi abi = Abi::x86_64;
    unsigned ring_order = 0;
  };

  /// `domain` is there and `backend` will bind.
  FrontQueue(SimWorld& world, SimMachine& machine, DomainId domain, DomainId backend,
             Options options);
  FrontQueue(const FrontQueue&) = delete;
  FrontQueue& operator=(const FrontQueue&) = delete;
  ~FrontQueue();

  const std::vector<GrantRef>& ring_refs() const noexcept { return ring_refs_; }
  Port port() const noexcept { return event_.port; }

  /// As the backend announced; 0: none.
  void allow_indirect(std::size_t segments) noexcept { most_indirect_ = segments; }
  std::size_t most_sectors() const noexcept;

  /// From now on the backend may keep pages mapped: those are used again and again.
  void keep_grants() noexcept { keeps_grants_ = true; }

  /// At most most_sectors() of data. Waits for room on the ring.
  void submit(FrontIo io);

  /// Puts a request on the ring as it is, and notifies. Its id is chosen here, one that submit()
  /// never uses. `answered` is called once, if at all.
  using Answered = std::function<void(const GuestResponse&)>;
  void send_raw(FrontRequest request, Answered answered = {});
  std::size_t unanswered_raw() const noexcept { return raw_.size(); }

  /// Given to submit() and not yet done.
  std::size_t in_flight() const noexcept {
    return waiting_.size() + shadows_.size() - free_.size();
  }

  /// What the backend did that a hardened guest kills the disk for. Nothing is answered after.
  const std::vector<std::string>& violations() const noexcept { return violations_; }

  /// Takes ring, port and the pages of unanswered requests back. False if the backend still maps
  /// one of them.
  bool release();

  /// The kernel whose ring it was is no more: another one uses its memory, and nothing it granted
  /// is granted any longer.
  void abandon();

  /// The backend has mapped a page that this queue ever granted, or bound its port.
  bool held() const noexcept;

  /// The guest does not run: events wait.
  void pause() { machine_.events().mask(event_); }
  void resume() { machine_.events().unmask(event_); }

  FrontRing& ring() noexcept { return *ring_; }
  std::span<std::byte> ring_memory() const noexcept {
    return domain_->memory(ring_frame_, ring_pages_);
  }
  void notify() { machine_.events().send(event_); }

 private:
  struct GrantedPage {
    Frame frame;
    GrantRef ref;
  };

  /// What is known of a request on the ring; its index is the request's id.
  struct Shadow {
    FrontIo io;
    std::vector<GuestSegment> segments;
    std::vector<GrantedPage> pages;  ///< one a segment
    std::optional<GrantedPage> indirect_page;
  };

  void issue_waiting();
  void issue(FrontIo io);
  void add_segments(Shadow& shadow);
  void add_indirect_page(Shadow& shadow, FrontRequest& request);
  void event();
  void answer_raw(const GuestResponse& response);
  void answer(const GuestResponse& response);
  std::vector<std::byte> gather(const Shadow& shadow) const;
  void scatter(const Shadow& shadow);
  GrantedPage lend_page(Access access);
  bool take_back(const GrantedPage& page);
  bool take_back(const Shadow& shadow);
  bool is_mapped(const GrantedPage& page) const noexcept { return domain_->is_mapped(page.ref); }
  bool is_mapped(const Shadow& shadow) const noexcept;
  void revoke(const GrantedPage& page);
  void revoke(const Shadow& shadow);
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  SimWorld& world_;
  SimMachine& machine_;
  std::shared_ptr<SimDomain> domain_;
  DomainId backend_;
  std::size_t ring_pages_;
  Frame ring_frame_;
  std::vector<GrantRef> ring_refs_;
  EventEnd event_;
  std::optional<FrontRing> ring_;
  std::size_t most_indirect_ = 0;
  bool keeps_grants_ = false;
  std::vector<GrantedPage> kept_;  ///< mapped and not in use; the one used last is taken first
  std::vector<GrantRef> revoked_;  ///< by abandon(), while they were mapped
  std::vector<std::optional<Shadow>> shadows_;
  std::vector<std::size_t> free_;  ///< ids
  std::deque<FrontIo> waiting_;
  struct Raw {
    uint8_t operation;
    Answered answered;
  };
  std::map<uint64_t, Raw> raw_;  ///< by id
  uint64_t raw_sent_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace tapring::sim
