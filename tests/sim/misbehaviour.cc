// SPDX-License-Identifier: MIT
#include "tests/sim/misbehaviour.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;

constexpr DomainId kSomeoneElse = 999;

}  // namespace

void Misbehaviour::of(SimFrontend& frontend, unsigned times) {
  if (!host_.machine().alive(frontend.name().domain)) return;
  for (unsigned i = 0; i < times; ++i) {
    const bool has_ring = frontend.queues() > 0;
    switch (random().below(has_ring ? 12 : 6)) {
      case 0:
        flap_state(frontend);
        break;
      case 1:
        rewrite_key(frontend);
        break;
      case 2:
        announce_queues(frontend, static_cast<unsigned>(random().below(600)));
        break;
      case 3:
        share_ring_page(frontend);
        break;
      case 4:
        remove_keys(frontend);
        break;
      case 5:
        intrude(frontend);
        break;
      case 6:
        jump_producer(frontend);
        break;
      case 7:
        send_events(frontend, static_cast<unsigned>(random().below(300)));
        break;
      case 8:
        scribble_on_ring(frontend);
        break;
      case 9:
        revoke_grants(frontend);
        break;
      default:
        send_strange_requests(frontend, static_cast<unsigned>(random().below(40)));
        break;
    }
  }
}

FrontRequest Misbehaviour::strange_request(SimFrontend& frontend) {
  FrontRequest request{
      .operation = static_cast<uint8_t>(random().chance(0.8) ? random().below(8) : random().next()),
      .inner_operation = static_cast<uint8_t>(random().below(8)),
      .segment_count =
          static_cast<uint16_t>(random().chance(0.7) ? random().below(14) : strange_number()),
      .handle = static_cast<uint16_t>(random().next()),
      .sector = random().chance(0.5) ? random().below(frontend.sectors() + 9) : strange_number(),
      .discard_sectors = strange_number(),
      .discard_flag = static_cast<uint8_t>(random().next())};
  for (GuestSegment& segment : request.segments) {
    segment = {.gref = strange_ref(frontend),
               .first_sect = static_cast<uint8_t>(random().below(random().chance(0.8) ? 8 : 256)),
               .last_sect = static_cast<uint8_t>(random().below(random().chance(0.8) ? 8 : 256)),
               .pad = static_cast<uint16_t>(random().next())};
  }
  for (uint32_t& ref : request.indirect_refs) ref = strange_ref(frontend);
  return request;
}

void Misbehaviour::send_strange_requests(SimFrontend& frontend, unsigned count) {
  FrontQueue& queue = frontend.queue(random().below(frontend.queues()));
  for (unsigned i = 0; i < count && !queue.ring().full(); ++i) {
    queue.send_raw(strange_request(frontend));
  }
}

void Misbehaviour::jump_producer(SimFrontend& frontend) {
  FrontQueue& queue = frontend.queue(random().below(frontend.queues()));
  queue.ring().set_producer(static_cast<uint32_t>(strange_number()));
  queue.notify();
}

void Misbehaviour::send_events(SimFrontend& frontend, unsigned count) {
  const std::size_t queue = random().below(frontend.queues());
  for (unsigned i = 0; i < count; ++i) {
    host_.world().after({1us, 5000us}, [&frontend, queue] {
      if (queue < frontend.queues()) frontend.queue(queue).notify();
    });
  }
}

void Misbehaviour::scribble_on_ring(SimFrontend& frontend) {
  const std::span<std::byte> ring = frontend.queue(random().below(frontend.queues())).ring_memory();
  const std::size_t begin = random().below(ring.size());
  const std::size_t bytes = random().below(std::min<std::size_t>(ring.size() - begin, 200) + 1);
  for (std::byte& byte : ring.subspan(begin, bytes)) byte = static_cast<std::byte>(random().next());
}

void Misbehaviour::revoke_grants(SimFrontend& frontend) {
  SimDomain& domain = *host_.machine().find(frontend.name().domain);
  for (const GrantRef ref : domain.grant_refs()) {
    if (random().chance(0.3)) domain.revoke(ref);
  }
}

void Misbehaviour::flap_state(SimFrontend& frontend) {
  write(frontend, "state",
        random().chance(0.9) ? std::to_string(random().below(9)) : strange_value());
}

void Misbehaviour::rewrite_key(SimFrontend& frontend) {
  constexpr std::array<const char*, 12> kKeys{
      "ring-ref",        "ring-ref0",          "ring-ref1",        "event-channel",
      "ring-page-order", "protocol",           "queue-0/ring-ref", "multi-queue-num-queues",
      "backend",         "feature-persistent", "backend-id",       "queue-1/event-channel"};
  write(frontend, kKeys[random().below(kKeys.size())], strange_value());
}

void Misbehaviour::announce_queues(SimFrontend& frontend, unsigned count) {
  write(frontend, "multi-queue-num-queues", std::to_string(count));
  for (unsigned i = 0; i < std::min(count, 300U); ++i) {
    const std::string queue = "queue-" + std::to_string(i);
    write(frontend, queue + "/ring-ref", strange_value());
    write(frontend, queue + "/event-channel", strange_value());
  }
}

void Misbehaviour::share_ring_page(SimFrontend& frontend) {
  const std::string ref = host_.store().read(frontend.directory() + "/ring-ref").value_or("8");
  const std::string port =
      host_.store().read(frontend.directory() + "/event-channel").value_or("1");
  write(frontend, "multi-queue-num-queues", "2");
  for (const char* queue : {"queue-0/", "queue-1/"}) {
    write(frontend, std::string(queue) + "ring-ref", ref);
    write(frontend, std::string(queue) + "event-channel", port);
  }
}

void Misbehaviour::remove_keys(SimFrontend& frontend) {
  constexpr std::array<const char*, 4> kKeys{"", "/state", "/event-channel", "/ring-ref"};
  may_remove(frontend.name().domain, frontend.directory() + kKeys[random().below(kKeys.size())]);
}

uint64_t Misbehaviour::strange_number() {
  const std::array<uint64_t, 14> numbers{
      0,   1,     7,          8,           11,         12,         255,
      256, 65535, 0x7fffffff, 0x80000000U, UINT32_MAX, UINT64_MAX, random().next()};
  return numbers[random().below(numbers.size())];
}

std::string Misbehaviour::strange_value() {
  switch (random().below(8)) {
    case 0:
      return "";
    case 1:
      return "-1";
    case 2:
      return "0x10";
    case 3:
      return "12 ";
    case 4:
      return std::string(random().below(3000), static_cast<char>(random().next()));
    case 5:
      return std::to_string(random().below(200));
    default:
      return std::to_string(strange_number());
  }
}

GrantRef Misbehaviour::strange_ref(SimFrontend& frontend) {
  SimDomain& domain = *host_.machine().find(frontend.name().domain);
  switch (random().below(8)) {
    case 0:
      return static_cast<GrantRef>(strange_number());
    case 1:
      return static_cast<GrantRef>(random().below(5000));
    case 2:
      return domain.grant(kSomeoneElse, scratch_page(domain), Access::read_write);
    case 3:
      return domain.grant(0, scratch_page(domain), Access::read_only);
    default:
      return domain.grant(0, scratch_page(domain), Access::read_write);
  }
}

Frame Misbehaviour::scratch_page(SimDomain& domain) {
  const auto [page, is_new] = scratch_pages_.try_emplace(domain.id());
  if (is_new) page->second = domain.allocate(1);
  const std::span<std::byte> memory = domain.memory(page->second, 1);
  for (std::byte& byte : memory.first(64)) byte = static_cast<std::byte>(random().next());
  return page->second;
}

void Misbehaviour::intrude(SimFrontend& frontend) {
  constexpr std::array<const char*, 7> kKeys{"",        "/state",    "/params", "/mode",
                                             "/online", "/frontend", "/sectors"};
  const DomainId guest = frontend.name().domain;
  const std::string home = "/local/domain/" + std::to_string(guest);
  const std::string backend = host_.store().read(frontend.directory() + "/backend").value_or(home);
  for (const std::string& directory :
       {std::string("/local/domain/0/backend/vbd"), home + "/device", home + "0/device/vbd",
        backend.starts_with("/local/domain/0/") ? backend : home}) {
    const std::string path = directory + kKeys[random().below(kKeys.size())];
    const bool let =
        random().chance(0.5) ? may_write(guest, path, strange_value()) : may_remove(guest, path);
    if (let) throw std::logic_error("a guest changed " + path);
  }
}

std::size_t Misbehaviour::fill_directory(SimFrontend& frontend) {
  std::size_t made = 0;
  const auto make = [&](const std::string& key) {
    const bool let = may_write(frontend.name().domain, frontend.directory() + key, "x");
    if (let) ++made;
    return let;
  };
  // The names of one directory are bounded together.
  for (unsigned branch = 0; make("/" + std::to_string(branch)); ++branch) {
    for (unsigned leaf = 0; make("/" + std::to_string(branch) + "/" + std::to_string(leaf));) {
      ++leaf;
    }
  }
  return made;
}

bool Misbehaviour::may_write(DomainId guest, const std::string& path, const std::string& value) {
  try {
    auto outcome = XenstoreTransaction::Outcome::conflict;
    while (outcome == XenstoreTransaction::Outcome::conflict) {
      const auto transaction = connection(guest).begin();
      transaction->write(path, value);
      outcome = transaction->commit();
    }
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

bool Misbehaviour::may_remove(DomainId guest, const std::string& path) {
  try {
    connection(guest).remove(path);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void Misbehaviour::write(SimFrontend& frontend, const std::string& key, const std::string& value) {
  may_write(frontend.name().domain, frontend.directory() + '/' + key, value);
}

SimXenstore& Misbehaviour::connection(DomainId guest) {
  std::unique_ptr<SimXenstore>& connection = connections_[guest];
  if (!connection) {
    connection = std::make_unique<SimXenstore>(host_.world(), host_.machine(), host_.store(),
                                               thread_, guest);
  }
  return *connection;
}

}  // namespace tapring::sim
