// SPDX-License-Identifier: MIT
#include "tests/sim/single_process.h"

#include <cerrno>
#include <utility>

#include "daemon/xenstore/store_view.h"
#include "tests/sim/control_process.h"

namespace tapring::sim {

SimSingleProcess::SimSingleProcess(const SimPlace& place, SimWitnesses& witnesses, bool by_worker)
    : place_(place),
      by_worker_(by_worker),
      background_(place.background),
      journals_(place.journals),
      witnesses_(witnesses, place.storage),
      control_(std::make_unique<SimExecutor>(place.world)),
      xenstore_([this] { return connect(); }, *control_, *control_) {
  std::vector<Worker*> pointers;
  for (std::size_t i = 0; i < place.workers; ++i) {
    pointers.push_back(&workers_.emplace_back(place).worker);
  }
  const ServerPorts ports{xenstore_,    *control_, background_, *control_,
                          place.kernel, journals_, witnesses_,  Workers(pointers)};
  server_ = std::make_unique<Server>(ports, settings());
  server_->start([] {});
}

SimSingleProcess::~SimSingleProcess() {
  // What the control thread would have done next must neither run nor outlive the server.
  control_.reset();
  server_.reset();
}

ServerSettings SimSingleProcess::settings() const {
  ServerSettings settings = place_.settings();
  if (by_worker_) settings.marker = marker_of(SimControlProcess::kWorker);
  return settings;
}

std::unique_ptr<XenstoreConnection> SimSingleProcess::connect() {
  if (dead_) throw XenstoreLost(ECONNREFUSED, "a process that was killed");
  auto made = place_.xenstored.connect(*control_, place_.own_domain);
  connection_ = made.get();
  connection_life_ = made->life();
  if (!by_worker_) return made;
  return std::make_unique<SimRemoteXenstore>(std::move(made), *control_, place_.own_domain);
}

void SimSingleProcess::die() {
  background_.die();
  journals_.die();
  witnesses_.die();
  dead_ = true;
  if (!connection_life_.expired()) connection_->die();
  for (SimWorker& worker : workers_) worker.die();
  server_->shut_down();
}

std::size_t SimSingleProcess::bound() const {
  std::size_t bound = 0;
  for (const SimWorker& worker : workers_) bound += worker.events.bound();
  return bound;
}

}  // namespace tapring::sim
