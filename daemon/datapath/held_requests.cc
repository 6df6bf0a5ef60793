// SPDX-License-Identifier: MIT
#include "daemon/datapath/held_requests.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace tapring {
namespace {

std::chrono::milliseconds interval_of(StorageFault fault) noexcept {
  return fault == StorageFault::no_space ? HeldRequests::kNoSpaceInterval
                                         : HeldRequests::kIoErrorInterval;
}

}  // namespace

HeldRequests::~HeldRequests() {
  assert(waiting_.empty() && trying_ == 0);
}

void HeldRequests::check() {
  const std::vector<HeldRequest*> all(waiting_.begin(), waiting_.end());
  for (HeldRequest* request : all) {
    if (const auto verdict = verdict_on(*request)) release(*request, *verdict);
  }
  probe(StorageFault::no_space);
  probe(StorageFault::io_error);
}

/// Retries one request if it is time, and if no other is being retried.
void HeldRequests::probe(StorageFault fault) {
  HeldRequest* request = first(fault);
  Loop::Clock::time_point& next = next_probe_[static_cast<std::size_t>(fault)];
  if (request == nullptr || trying_ > 0 || loop_.turn_time() < next) return;
  next = loop_.turn_time() + interval_of(fault);
  release(*request, Verdict::again);
}

/// The first that waits because of `fault`; nullptr if none does.
HeldRequest* HeldRequests::first(StorageFault fault) const noexcept {
  const auto found = std::ranges::find(waiting_, fault, &HeldRequest::fault_);
  return found == waiting_.end() ? nullptr : *found;
}

void HeldRequests::retry_all() {
  while (!waiting_.empty()) release_first();
}

void HeldRequests::end() {
  ended_ = true;
  while (!waiting_.empty()) release(*waiting_.front(), Verdict::leave);
}

bool HeldRequests::is_overdue(const HeldRequest& request, uint32_t limit_seconds) const noexcept {
  return limit_seconds > 0 &&
         loop_.turn_time() - request.since_ >= std::chrono::seconds(limit_seconds);
}

/// nullopt: it goes on waiting.
std::optional<HeldRequests::Verdict> HeldRequests::verdict_on(const HeldRequest& request) noexcept {
  if (ended_) return Verdict::leave;
  const ErrorPolicy policy = pause_->policy();
  if (policy.on(request.fault_) == OnError::report) return Verdict::report;
  if (!is_overdue(request, policy.pause_limit_seconds)) return std::nullopt;
  pause_->give_up();
  return Verdict::report;
}

void HeldRequests::add(HeldRequest& request) {
  if (first(request.fault_) == nullptr) {
    next_probe_[static_cast<std::size_t>(request.fault_)] =
        loop_.turn_time() + interval_of(request.fault_);
  }
  waiting_.push_back(&request);
}

void HeldRequests::release(HeldRequest& request, Verdict verdict) {
  std::erase(waiting_, &request);
  request.verdict_ = verdict;
  request.trying_ = verdict == Verdict::again;
  if (request.trying_) ++trying_;
  loop_.resume_soon(request.waiter_);
}

HeldRequest::HeldRequest(HeldRequests& all, StorageFault fault)
    : all_(all), fault_(fault), since_(all.loop_.turn_time()) {
  all_.pause_->hold(fault_);
}

HeldRequest::~HeldRequest() {
  // This retry ended without success and without waiting again, as after a failed flush: it says
  // nothing about the storage. If nobody went on in its place, the rest would wait for the next
  // probe.
  if (trying_) {
    stop_trying();
    all_.release_first();
  }
  all_.pause_->let_go(fault_);
}

HeldRequest::Wait HeldRequest::wait(StorageFault fault) noexcept {
  stop_trying();
  all_.pause_->change(fault_, fault);
  fault_ = fault;
  verdict_ = all_.verdict_on(*this);
  return Wait(*this);
}

void HeldRequest::Wait::await_suspend(std::coroutine_handle<> waiter) {
  request_.waiter_ = waiter;
  request_.all_.add(request_);
}

void HeldRequest::succeeded() {
  stop_trying();
  all_.release_first();
  all_.release_first();
}

void HeldRequest::stop_trying() noexcept {
  if (std::exchange(trying_, false)) --all_.trying_;
}

}  // namespace tapring
