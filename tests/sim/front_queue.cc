// SPDX-License-Identifier: MIT
#include "tests/sim/front_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "ring/sizes.h"

namespace tapring::sim {
namespace {

constexpr uint32_t kSectorsInPage = 8;
constexpr double kOddlyCut = 0.25;   ///< requests whose data does not begin at a page
constexpr uint64_t kFirstRawId = 0x8000000000000001U;
constexpr uint64_t kRawIdStep = 0x100000001U;  ///< all bytes of the id are in use
constexpr double kNeedlessly = 0.1;  ///< requests that are indirect though they need not be

}  // namespace

FrontQueue::FrontQueue(SimWorld& world, SimMachine& machine, DomainId domain, DomainId backend,
                       Options options)
    : world_(world), machine_(machine), domain_(machine.share(domain)), backend_(backend),
      ring_pages_(std::size_t{1} << options.ring_order),
      ring_frame_(domain_->allocate(ring_pages_)),
      event_(machine.events().allocate_unbound(domain, backend, [this] { event(); })) {
  ring_.emplace(domain_->memory(ring_frame_, ring_pages_), options.abi);
  for (Frame frame = ring_frame_; frame < ring_frame_ + ring_pages_; ++frame) {
    ring_refs_.push_back(domain_->grant(backend, frame, Access::read_write));
  }
  shadows_.resize(ring_->size());
  for (std::size_t id = 0; id < shadows_.size(); ++id) free_.push_back(id);
}

FrontQueue::~FrontQueue() { machine_.events().close(event_); }

std::size_t FrontQueue::most_sectors() const noexcept {
  return std::max(most_indirect_, kGuestSegments) * kSectorsInPage;
}

void FrontQueue::submit(FrontIo io) {
  assert(!io.moves_data() || io.sectors <= most_sectors());
  waiting_.push_back(std::move(io));
  issue_waiting();
}

bool FrontQueue::release() {
  machine_.events().close(event_);
  bool released = true;
  for (std::optional<Shadow>& shadow : shadows_) {
    if (shadow) released = take_back(*shadow) && released;
    shadow.reset();
  }
  for (const GrantRef ref : std::exchange(ring_refs_, {})) {
    released = domain_->end_access(ref) && released;
  }
  keeps_grants_ = false;
  for (const GrantedPage& page : std::exchange(kept_, {})) released = take_back(page) && released;
  if (released) domain_->free(ring_frame_, ring_pages_);
  return released;
}

void FrontQueue::abandon() {
  machine_.events().close(event_);
  for (std::optional<Shadow>& shadow : shadows_) {
    if (shadow) revoke(*shadow);
    shadow.reset();
  }
  for (const GrantedPage& page : std::exchange(kept_, {})) revoke(page);
  for (const GrantRef ref : ring_refs_) domain_->revoke(ref);
  const auto filler = static_cast<std::byte>(world_.random().next());
  std::ranges::fill(domain_->memory(ring_frame_, ring_pages_), filler);
  // Not freed: who had mapped the ring may look at it for a while.
}

void FrontQueue::revoke(const GrantedPage& page) {
  const bool mapped = is_mapped(page);
  domain_->revoke(page.ref);
  // Who has mapped it may look at it for a while.
  mapped ? revoked_.push_back(page.ref) : domain_->free(page.frame, 1);
}

void FrontQueue::revoke(const Shadow& shadow) {
  for (const GrantedPage& page : shadow.pages) revoke(page);
  if (shadow.indirect_page) revoke(*shadow.indirect_page);
}

bool FrontQueue::held() const noexcept {
  const auto mapped = [this](GrantRef ref) { return domain_->is_mapped(ref); };
  return machine_.events().is_bound(event_) || std::ranges::any_of(ring_refs_, mapped) ||
         std::ranges::any_of(revoked_, mapped) ||
         std::ranges::any_of(kept_, [this](const auto& page) { return is_mapped(page); }) ||
         std::ranges::any_of(shadows_,
                             [this](const auto& shadow) { return shadow && is_mapped(*shadow); });
}

bool FrontQueue::is_mapped(const Shadow& shadow) const noexcept {
  const auto mapped = [this](const GrantedPage& page) { return is_mapped(page); };
  return std::ranges::any_of(shadow.pages, mapped) ||
         (shadow.indirect_page && is_mapped(*shadow.indirect_page));
}

void FrontQueue::issue_waiting() {
  const bool any = !waiting_.empty() && !free_.empty();
  while (!waiting_.empty() && !free_.empty()) {
    issue(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (any && ring_->push()) notify();
}

void FrontQueue::issue(FrontIo io) {
  std::swap(free_[world_.random().below(free_.size())], free_.back());
  const std::size_t id = free_.back();
  free_.pop_back();
  Shadow& shadow = shadows_[id].emplace();
  shadow.io = std::move(io);
  add_segments(shadow);
  FrontRequest request{.operation = shadow.io.operation,
                       .segment_count = static_cast<uint16_t>(shadow.segments.size()),
                       .id = id,
                       .sector = shadow.io.sector};
  if (shadow.io.operation == kGuestDiscard) request.discard_sectors = shadow.io.sectors;
  const bool may_be_indirect =
      shadow.io.operation == kGuestRead || shadow.io.operation == kGuestWrite;
  const bool indirect = shadow.segments.size() > kGuestSegments ||
                        (may_be_indirect && shadow.segments.size() <= most_indirect_ &&
                         world_.random().chance(kNeedlessly));
  if (indirect) {
    add_indirect_page(shadow, request);
  } else {
    std::ranges::copy(shadow.segments, request.segments.begin());
  }
  ring_->put(request);
}

void FrontQueue::add_segments(Shadow& shadow) {
  uint32_t left = shadow.io.moves_data() ? shadow.io.sectors : 0;
  uint32_t first = 0;
  if (world_.random().chance(kOddlyCut) && left + kSectorsInPage <= most_sectors()) {
    first = static_cast<uint32_t>(world_.random().below(kSectorsInPage));
  }
  const bool is_write = shadow.io.operation != kGuestRead;
  while (left > 0) {
    const uint32_t sectors = std::min(left, kSectorsInPage - first);
    const GrantedPage page = lend_page(is_write ? Access::read_only : Access::read_write);
    shadow.pages.push_back(page);
    shadow.segments.push_back({page.ref, static_cast<uint8_t>(first),
                               static_cast<uint8_t>(first + sectors - 1), 0});
    left -= sectors;
    first = 0;
  }
  if (!shadow.io.data.empty()) scatter(shadow);
}

void FrontQueue::add_indirect_page(Shadow& shadow, FrontRequest& request) {
  static_assert(256 * sizeof(GuestSegment) <= kPageBytes);
  shadow.indirect_page = lend_page(Access::read_only);
  std::memcpy(domain_->memory(shadow.indirect_page->frame, 1).data(), shadow.segments.data(),
              shadow.segments.size() * sizeof(GuestSegment));
  request.inner_operation = std::exchange(request.operation, kGuestIndirect);
  request.indirect_refs[0] = shadow.indirect_page->ref;
}

void FrontQueue::event() {
  do {
    while (const auto response = ring_->take()) answer(*response);
    if (ring_->overflowed()) violation("more responses than requests");
  } while (violations_.empty() && ring_->arm());
  issue_waiting();
}

void FrontQueue::send_raw(FrontRequest request, Answered answered) {
  request.id = kFirstRawId + raw_sent_++ * kRawIdStep;
  const bool indirect = request.operation == kGuestIndirect;
  const uint8_t expected = indirect ? request.inner_operation : request.operation;
  raw_[request.id] = {expected, std::move(answered)};
  ring_->put(request);
  ring_->push();
  notify();
}

void FrontQueue::answer_raw(const GuestResponse& response) {
  const auto found = raw_.find(response.id);
  if (found == raw_.end()) return violation("response to a raw id that does not wait");
  const Raw raw = std::move(found->second);
  raw_.erase(found);
  if (response.operation != raw.operation) return violation("response has another operation");
  if (raw.answered) raw.answered(response);
}

void FrontQueue::answer(const GuestResponse& response) {
  if (!violations_.empty()) return;
  if (response.id >= kFirstRawId) return answer_raw(response);
  if (response.id >= shadows_.size()) return violation("response with an id that never was");
  if (!shadows_[response.id]) return violation("response to an id that does not wait");
  const Shadow shadow = *std::exchange(shadows_[response.id], std::nullopt);
  if (response.operation != shadow.io.operation) {
    return violation("response has operation " + std::to_string(response.operation) +
                     " instead of " + std::to_string(shadow.io.operation));
  }
  // A driver would never use the operation again, or fail its disk.
  if (response.status == kGuestNotSupported && shadow.io.operation != kGuestDiscard) {
    return violation("an operation that was offered is not supported");
  }
  const bool has_data = response.status == kGuestOkay && shadow.io.operation == kGuestRead;
  const std::vector<std::byte> data = has_data ? gather(shadow) : std::vector<std::byte>{};
  if (!take_back(shadow)) return violation("the response came before the grants were unmapped");
  free_.push_back(response.id);
  if (shadow.io.done) shadow.io.done(response.status, data);
}

std::vector<std::byte> FrontQueue::gather(const Shadow& shadow) const {
  std::vector<std::byte> data;
  for (std::size_t i = 0; i < shadow.segments.size(); ++i) {
    const GuestSegment& segment = shadow.segments[i];
    const auto page = domain_->memory(shadow.pages[i].frame, 1);
    data.insert(data.end(), page.begin() + segment.first_sect * kSectorBytes,
                page.begin() + (segment.last_sect + 1) * kSectorBytes);
  }
  return data;
}

void FrontQueue::scatter(const Shadow& shadow) {
  const std::byte* from = shadow.io.data.data();
  for (std::size_t i = 0; i < shadow.segments.size(); ++i) {
    const GuestSegment& segment = shadow.segments[i];
    const auto page = domain_->memory(shadow.pages[i].frame, 1);
    const std::size_t bytes = (segment.last_sect - segment.first_sect + 1U) * kSectorBytes;
    std::memcpy(page.subspan(segment.first_sect * kSectorBytes).data(), from, bytes);
    from += bytes;
  }
}

/// As blkfront: what may stay mapped is granted for writing as well, whatever it is used for first.
FrontQueue::GrantedPage FrontQueue::lend_page(Access access) {
  if (!kept_.empty()) {
    const GrantedPage page = kept_.back();
    kept_.pop_back();
    return page;
  }
  const Frame frame = domain_->allocate(1);
  return {frame, domain_->grant(backend_, frame, keeps_grants_ ? Access::read_write : access)};
}

bool FrontQueue::take_back(const GrantedPage& page) {
  if (keeps_grants_ && is_mapped(page)) {
    kept_.push_back(page);
    return true;
  }
  if (!domain_->end_access(page.ref)) return false;
  domain_->free(page.frame, 1);
  return true;
}

bool FrontQueue::take_back(const Shadow& shadow) {
  bool ended = true;
  for (const GrantedPage& page : shadow.pages) ended = take_back(page) && ended;
  if (shadow.indirect_page) ended = take_back(*shadow.indirect_page) && ended;
  return ended;
}

}  // namespace tapring::sim
