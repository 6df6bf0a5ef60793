// SPDX-License-Identifier: MIT
#include "tests/pretend/toolstack.h"

#include <xen/io/xenbus.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "daemon/config/disk_spec.h"
#include "daemon/xenstore/xenstore_update.h"
#include "tests/pretend/domains.h"

namespace tapring::pretend {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), "xenstore: " + what);
}

std::string home_of(DomainId domain) {
  return "/local/domain/" + std::to_string(domain);
}

}  // namespace

Toolstack::Toolstack(GuestWorld& world) : world_(world), xenstore_(xs_open(0)) {
  if (!xenstore_) fail("open");
}

void Toolstack::start_domain_0() {
  write({{home_of(0) + "/domid", "0"}, {home_of(0) + "/name", "Domain-0"}});
}

void Toolstack::create_domain(DomainId domain, std::optional<DomainId> target) {
  pretend::create_domain(world_.machine(), domain);
  write({{home_of(domain) + "/domid", std::to_string(domain)},
         {home_of(domain) + "/name", "guest-" + std::to_string(domain)}});
  if (target) write({{home_of(domain) + "/target", std::to_string(*target)}});
  // The number of the page with the ring to xenstore is of no use: xenstored has it by its grant.
  constexpr unsigned long kAnyPage = 1;
  if (!xs_introduce_domain(xenstore_.get(), domain, kAnyPage, kXenstorePort)) fail("introduce");
}

void Toolstack::destroy_domain(DomainId domain) {
  pretend::destroy_domain(world_.machine(), domain);
  // Gone already where xenstored was quicker.
  xs_release_domain(xenstore_.get(), domain);
  xs_rm(xenstore_.get(), XBT_NULL, home_of(domain).c_str());
}

void Toolstack::attach(const sim::DiskLine& line) {
  begin_attach(line);
  const std::string backend = sim::backend_directory(line);
  world_.store().watch(backend, "attach");
  world_.wait_for("the backend's state 2",
                  [&] { return world_.read_number(backend + "/state") >= XenbusStateInitWait; });
  if (uses_our_script(line.script)) wait_for_verdict(line);
  world_.store().unwatch(backend, "attach");
  if (!line.script.empty()) end_script(line);
}

void Toolstack::begin_attach(const sim::DiskLine& line) {
  const std::string backend = sim::backend_directory(line);
  const std::string frontend = sim::frontend_directory(line.name);
  sim::StoreKeys keys;
  for (const auto& [key, value] : sim::backend_keys(line)) keys[backend + '/' + key] = value;
  for (const auto& [key, value] : sim::frontend_keys(line)) keys[frontend + '/' + key] = value;
  for (bool done = false; !done;) {
    const xs_transaction_t transaction = xs_transaction_start(xenstore_.get());
    own(transaction, frontend, line.name.domain, line.backend_domain);
    own(transaction, backend, line.backend_domain, line.name.domain);
    for (const auto& [path, value] : keys) {
      xs_write(xenstore_.get(), transaction, path.c_str(), value.data(),
               static_cast<unsigned>(value.size()));
    }
    done = xs_transaction_end(xenstore_.get(), transaction, false);
    if (!done && errno != EAGAIN) fail("attach " + backend);
  }
}

void Toolstack::end_script(const sim::DiskLine& line) {
  write({{sim::backend_directory(line) + "/hotplug-status", "connected"}});
}

void Toolstack::wait_for_verdict(const sim::DiskLine& line) {
  std::string verdict;
  world_.wait_for("the backend's verdict", [&] {
    verdict = world_.store().read(sim::backend_directory(line) + "/tapring-status").value_or("");
    return !verdict.empty();
  });
  if (verdict != "ready") throw std::runtime_error(verdict);
}

void Toolstack::begin_detach(const sim::DiskLine& line) {
  update(world_.store(), sim::backend_directory(line), {.key = "state"},
         {{"online", "0"}, {"state", "5"}});
}

void Toolstack::finish_detach(const sim::DiskLine& line) {
  const std::string backend = sim::backend_directory(line);
  world_.store().watch(backend + "/state", "detach");
  world_.wait_for("the backend's state 6",
                  [&] { return world_.read_number(backend + "/state") == XenbusStateClosed; });
  world_.store().unwatch(backend + "/state", "detach");
  remove(line);
}

void Toolstack::remove(const sim::DiskLine& line) {
  for (const std::string& path :
       {sim::frontend_directory(line.name), sim::backend_directory(line)}) {
    if (!xs_rm(xenstore_.get(), XBT_NULL, path.c_str()) && errno != ENOENT) fail("remove " + path);
  }
}

void Toolstack::write(const sim::StoreKeys& keys) {
  for (const auto& [path, value] : keys) {
    if (!xs_write(xenstore_.get(), XBT_NULL, path.c_str(), value.data(),
                  static_cast<unsigned>(value.size()))) {
      fail("write " + path);
    }
  }
}

void Toolstack::own(xs_transaction_t transaction, const std::string& path, DomainId owner,
                    DomainId reader) {
  std::array<xs_permissions, 2> permissions{
      {{.id = owner, .perms = XS_PERM_NONE}, {.id = reader, .perms = XS_PERM_READ}}};
  xs_mkdir(xenstore_.get(), transaction, path.c_str());
  xs_set_permissions(xenstore_.get(), transaction, path.c_str(), permissions.data(),
                     permissions.size());
}

}  // namespace tapring::pretend
