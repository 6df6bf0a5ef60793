// SPDX-License-Identifier: MIT
#include "daemon/vbd/connection.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <system_error>
#include <utility>

#include "daemon/datapath/journal_store.h"
#include "daemon/host/control_port.h"
#include "daemon/vbd/connection_id.h"
#include "daemon/vbd/served_files.h"

namespace tapring {

Connection::Connection(const DeviceScope& device, const DiskIdentity& identity, ImageOpener& image,
                       StoragePause& pause, FaultLog& faults, Callbacks callbacks)
    : device_(device),
      identity_(identity),
      image_(image),
      pause_(pause),
      faults_(faults),
      callbacks_(std::move(callbacks)) {}

std::string Connection::connect(Predecessor before) {
  DeviceContext& context = device_.context;
  RingOffer offer = device_.node.read_offer();
  offered_ = {context.offer.max_indirect_segments, context.offer.max_persistent_grants > 0};
  // A guest that was connected before goes by what it was told then.
  if (before != Predecessor::none) offered_ = device_.node.read_connection_offer();
  offer.persistent_grants = offered_.persistent_grants;
  auto rings = negotiate(device_.node.frontend_keys(identity_.spec), offer);
  if (!rings) return rings.error();
  rings_ = std::move(*rings);
  origin_ = origin_of_rings(before);
  Journals journals;
  try {
    journals = open_journals();
  } catch (const ControlLost& loss) {
    // Its successor has every disk looked at again.
    throw XenstoreLost(loss.code().value(), loss.what());
  } catch (const std::system_error& error) {
    return error.what();
  }
  const ImageFacts& image = image_.facts();
  const DiskOptions options{device_.log.label(),
                            device_.name.domain,
                            image.geometry,
                            rings_,
                            origin_,
                            std::move(journals),
                            context.journals.observer(),
                            context.offer.max_persistent_grants,
                            offered_.max_indirect_segments,
                            &context.log_limit,
                            pause_.prepare(identity_.disk.path, image.block_device),
                            faults_.prepare(identity_.disk.path, image.loss, image_.lost_writes())};
  stage_ = Stage::connecting;
  device_.log(spdlog::level::debug, "mapping {} queue(s) of {} page(s), {}{}", rings_.queues.size(),
              rings_.queues.front().ring_refs.size(), rings_.protocol,
              rings_.persistent_grants ? ", persistent grants" : "");
  disk_ = image_.make_disk(options);
  disk_->connect([this, owner = device_.tasks.keep_alive()](const std::string& error) {
    connect_ended(error);
  });
  return {};
}

Connection::Journals Connection::open_journals() {
  Journals journals;
  for (const QueueSetup& queue : rings_.queues) {
    const std::size_t bytes = rings_.journal_bytes(queue);
    const UniqueFd file =
        device_.context.journals.open(device_.name.sysfs_name(), queue.number, bytes);
    journals[queue.number] = std::make_shared<SharedMemory>(file.get(), bytes);
  }
  return journals;
}

RingOrigin Connection::origin_of_rings(Predecessor before) const {
  if (before == Predecessor::none) return {make_connection_id(), RingHistory::fresh};
  if (before == Predecessor::blkback) return {make_connection_id(), RingHistory::drained};
  const auto known = parse_connection_id(device_.node.connection());
  return {known ? *known : make_connection_id(),
          device_.node.drained() ? RingHistory::drained : RingHistory::unknown};
}

void Connection::connect_ended(const std::string& error) {
  if (!error.empty()) {
    stage_ = Stage::closed;
    return callbacks_.failed(error);
  }
  stage_ = Stage::mapped;
  pause_.begin(disk_);
  callbacks_.connected();
}

/// The journals are in place by now, so a successor can rely on them from here on.
void Connection::serve() {
  if (stage_ != Stage::mapped) return;
  device_.node.begin_service(to_text(origin_.connection), served_files_line(image_.facts().files),
                             origin_.history != RingHistory::fresh);
  stage_ = Stage::served;
  disk_->start();
}

bool Connection::announce(XenbusState from) {
  serve();
  const Geometry& geometry = image_.facts().geometry;
  if (!device_.node.connect(from, identity_.spec, geometry, offered_)) return false;
  stage_ = Stage::announced;
  device_.log(spdlog::level::info, "connected: {}:{}, {} MiB, {}, {} queue(s) of {} page(s), {}",
              identity_.disk.format, identity_.disk.path, geometry.size_bytes >> 20,
              geometry.read_only ? "read-only" : "writable", rings_.queues.size(),
              rings_.queues.front().ring_refs.size(), rings_.protocol);
  return true;
}

void Connection::check_size() {
  if (!is_connected() || measuring_) return;
  measuring_ = true;
  disk_->measure([this, owner = device_.tasks.keep_alive()](const Result<uint64_t>& sectors) {
    measured(sectors);
  });
}

void Connection::measured(const Result<uint64_t>& sectors) {
  measuring_ = false;
  if (!sectors || !is_connected()) return;
  const uint64_t image_bytes = *sectors * kSectorBytes;
  const uint64_t disk_bytes = image_.facts().geometry.size_bytes;
  faults_.check_size(image_bytes, disk_bytes);
  if (image_bytes <= disk_bytes || !device_.node.resize(*sectors)) return;
  device_.log(spdlog::level::info, "grown from {} to {} bytes", disk_bytes, image_bytes);
  image_.note_growth(image_bytes);
}

void Connection::end(Disk::Ending ending) {
  pause_.end();
  stage_ = Stage::ending;
  device_.log(
      spdlog::level::debug, "ending: {}",
      ending == Disk::Ending::drain ? "answering what is in flight" : "nobody waits for answers");
  disk_->end(ending, [this, owner = device_.tasks.keep_alive()] {
    stage_ = Stage::closed;
    device_.log(spdlog::level::debug, "ended");
    faults_.flush();
    callbacks_.ended();
  });
}

/// Of a disk that is not closed.
void Connection::add_to(DiskReport& report) const {
  report.queues = static_cast<uint32_t>(rings_.queues.size());
  report.ring_pages = static_cast<uint32_t>(rings_.queues.front().ring_refs.size());
  report.protocol = rings_.protocol;
  report.workers = disk_->workers();
  report.counters = disk_->counters();
  pause_.count(report.counters);
  faults_.add_to(report);
}

}  // namespace tapring
