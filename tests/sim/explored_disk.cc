// SPDX-License-Identifier: MIT
#include "tests/sim/explored_disk.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <utility>

#include "tests/sim/qcow2_image.h"

namespace tapring::sim {
namespace {

/// No write has this number.
constexpr DiskModel::Ticket kBaseContent = uint64_t{1} << 62U;

}  // namespace

ExploredDisk::ExploredDisk(Host& host, const DiskPlan& plan, std::size_t number)
    : host_(host),
      plan_(plan),
      number_(number),
      has_clusters_(plan.format.contains("qcow2:")),
      image_(host.make_image("disk" + std::to_string(number), has_clusters_ ? 0 : plan.bytes)),
      bytes_(plan.bytes),
      policy_(host.errors()) {
  line_.name.device = plan.device;
  line_.vdev = std::string("xvd") + static_cast<char>('a' + number);
  line_.kind = plan.kind;
  line_.params = plan.format + image_;
  line_.mode = plan.mode;
  line_.script = plan.script;
  mend_storage();
  if (has_clusters_) make_qcow2();
}

void ExploredDisk::make_qcow2() {
  Qcow2Plan image{.disk_bytes = bytes_, .cluster_bits = plan_.cluster_bits, .base = {}};
  if (plan_.base_bytes > 0) {
    std::string content(plan_.base_bytes, '\0');
    DiskModel::fill(kBaseContent, 0, std::as_writable_bytes(std::span(content)));
    image.base = host_.make_image("base" + std::to_string(number_), 0);
    std::ofstream(image.base, std::ios::binary) << content;
    model() = DiskModel(std::move(content));
  }
  sim::make_qcow2(image_, image);
}

bool ExploredDisk::present() const {
  return attached_once_ && progress() != SimToolstack::Progress::gone;
}

SimToolstack::Progress ExploredDisk::progress() const {
  return host_.toolstack().progress(line_.name);
}

uint64_t ExploredDisk::sectors() const noexcept {
  return bytes_ / plan_.block_bytes * plan_.block_bytes / 512;
}

void ExploredDisk::grow(uint64_t bytes) {
  if (has_clusters_) return;
  bytes_ += bytes;
  std::filesystem::resize_file(image_, bytes_);
}

void ExploredDisk::fail(int number) {
  const auto fault = storage_fault(system_error_code(number));
  const bool waits = policy_.on(*fault) == OnError::pause && policy_.pause_limit_seconds == 0;
  ever_failed_ = true;
  waits ? excuse_delay() : spoil();
}

void ExploredDisk::change_policy(const PolicyWords& words) {
  policy_ = host_.errors();
  for (const auto& [field, word] : words) assign(policy_, field, word);
  // What failed before may wait still.
  if (delayed_) spoil();
}

void ExploredDisk::attach(DomainId guest) {
  policy_ = host_.errors();
  line_.name.domain = guest;
  attached_once_ = true;
  frontend_ = &host_.attach(line_, plan_.frontend);
  if (std::ranges::find(all_frontends_, frontend_) == all_frontends_.end()) {
    all_frontends_.push_back(frontend_);
  }
}

void ExploredDisk::trust() noexcept {
  spoiled_ = false;
  delayed_ = false;
  std::ranges::move(loads_, std::back_inserter(past_loads_));
  loads_.clear();
}

void ExploredDisk::run(const LoadOptions& options) {
  if (!connected()) return;
  loads_.push_back(std::make_unique<SimLoad>(host_.world(), *frontend_, options));
}

void ExploredDisk::mend_storage() {
  FileBehaviour sound;
  sound.block_bytes = plan_.block_bytes;
  host_.storage().behaviour(image_) = sound;
}

std::string ExploredDisk::held() const {
  std::string held;
  if (Host::descriptors(image_) > 0) held += "the image is open; ";
  if (host_.keeps_witnesses(name())) held += "witnesses are kept; ";
  for (const SimFrontend* frontend : all_frontends_) {
    if (frontend->held()) held += "a ring is mapped or its port bound; ";
  }
  return held;
}

std::vector<std::string> ExploredDisk::faults() {
  std::vector<std::string> faults;
  if (!has_clusters_ && std::filesystem::file_size(image_) != bytes_)
    faults.push_back("the image's size changed");
  if (hostile()) return faults;
  for (const SimFrontend* frontend : all_frontends_) {
    for (const std::string& violation : frontend->violations()) faults.push_back(violation);
  }
  for (const auto& load : loads_) verify(*load, faults);
  for (std::string& fault : faults) fault = "disk " + std::to_string(number_) + ": " + fault;
  return faults;
}

void ExploredDisk::verify(const SimLoad& load, std::vector<std::string>& faults) const {
  constexpr Time kLongestRequest = std::chrono::seconds(5);
  if (spoiled_) return;
  if (load.failed() > 0) {
    faults.push_back(std::to_string(load.failed()) + " requests failed on sound storage");
  }
  if (load.slowest() > kLongestRequest && !delayed_) {
    faults.push_back("a request took " + std::to_string(load.slowest().count() / 1'000'000) +
                     " ms on sound storage");
  }
}

}  // namespace tapring::sim
