// SPDX-License-Identifier: MIT
#include "tests/sim/host.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <stdexcept>

namespace tapring::sim {
namespace {

std::filesystem::path make_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "tapring-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  return name;
}

ServerSettings settings() {
  ServerSettings settings;
  settings.kinds = {"vbd", "vbd3", "qdisk"};
  settings.offer = {.max_queues = 4, .max_ring_order = 4, .max_indirect_segments = 256};
  return settings;
}

}  // namespace

Host::SimWorker::SimWorker(Host& host)
    : loop(host.world_, host.storage_), grants(host.machine_, 0), events(loop, host.machine_, 0),
      worker(loop, grants, events, kArenaBytes) {}

Host::Host(uint64_t seed) : directory_(make_directory()), world_(seed) {
  if (std::getenv("TAPRING_LOG") == nullptr) spdlog::set_level(spdlog::level::off);
  std::vector<Worker*> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    workers.push_back(&workers_.emplace_back(*this).worker);
  }
  server_ = std::make_unique<Server>(
      ServerPorts{xenstore_, control_, background_, no_blkback_, workers}, settings());
  server_->start();
}

Host::~Host() {
  background_.release();
  server_->shut_down();
  world_.run_until_idle();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Host::make_image(const std::string& name, uint64_t bytes) {
  const std::string path = image_path(name);
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
  return path;
}

SimFrontend& Host::attach(const DiskLine& line, const FrontendOptions& options) {
  if (!machine_.alive(line.name.domain)) machine_.create_domain(line.name.domain);
  SimFrontend& frontend = frontends_.emplace_back(world_, machine_, store_, line.name,
                                                  models_[line.params], options);
  toolstack_.attach(line);
  return frontend;
}

uint64_t Host::backend_state(const DiskLine& line) const {
  const std::string text = store_.read(backend_directory(line) + "/state").value_or("");
  uint64_t state = 0;
  std::from_chars(text.data(), text.data() + text.size(), state);
  return state;
}

DiskReport Host::report(VbdName name) const {
  for (DiskReport& report : server_->report()) {
    if (report.domain == name.domain && report.device == name.device) return std::move(report);
  }
  return {};
}

std::size_t Host::descriptors(const std::string& path) {
  std::size_t open = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == path) ++open;
  }
  return open;
}

std::string Host::held() const {
  std::string held;
  const auto note = [&held](std::size_t count, const std::string& what) {
    if (count > 0) held += std::to_string(count) + ' ' + what + "; ";
  };
  note(machine_.mappings(), "pages mapped");
  note(machine_.zombies(), "zombie domains");
  note(storage_.open_files(), "files open");
  for (const SimWorker& worker : workers_) note(worker.events.bound(), "ports bound");
  for (const auto& [path, model] : models_) note(descriptors(path), "descriptors of " + path);
  return held;
}

std::vector<uint64_t> seeds(uint64_t count) {
  if (const char* chosen = std::getenv("TAPRING_SEED")) return {std::strtoull(chosen, nullptr, 10)};
  std::vector<uint64_t> all(count);
  std::iota(all.begin(), all.end(), 1U);
  return all;
}

}  // namespace tapring::sim
