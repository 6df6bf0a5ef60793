// SPDX-License-Identifier: MIT
#include "tests/sim/host.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "ring/unique_fd.h"
#include "tests/sim/open_image.h"
#include "tests/sim/single_process.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
constexpr std::chrono::milliseconds kLockWait = 2s;
// As systemd starts a service anew that has died.
constexpr Latency kToRestart{1ms, 300ms};

/// In memory where that is possible: what a power-off leaves of a file is the simulation's to say.
std::filesystem::path make_directory() {
  const std::filesystem::path memory = "/dev/shm";
  const bool usable = std::filesystem::is_directory(memory) && ::access(memory.c_str(), W_OK) == 0;
  const auto parent = usable ? memory : std::filesystem::temp_directory_path();
  std::string name = (parent / "tapring-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  return name;
}

/// Not of the kernel's, as SimStorage::outlive() has them.
bool is_open_on(const std::filesystem::directory_entry& descriptor, const auto& is_wanted) {
  std::error_code gone;
  const int fd = std::stoi(descriptor.path().filename());
  const bool of_process = (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
  return of_process && is_wanted(std::filesystem::read_symlink(descriptor.path(), gone));
}

}  // namespace

ServerSettings Host::settings() {
  ServerSettings settings;
  settings.errors = errors_;
  settings.max_disks = max_disks_;
  settings.plain_lines = plain_lines_;
  settings.kinds = {"vbd", "vbd3", "qdisk"};
  settings.offer = {.max_queues = 4,
                    .max_ring_order = 4,
                    .max_indirect_segments = 256,
                    .max_persistent_grants = max_persistent_grants_};
  settings.open_disk = [this](const OpenRequest& request) {
    return open_sim_image(storage_, request);
  };
  settings.lock_wait = kLockWait;
  return settings;
}

Host::Host(uint64_t seed, uint32_t max_persistent_grants, DomainId own_domain, std::size_t workers,
           const ErrorPolicy& errors, Isolation isolation)
    : directory_(make_directory()),
      by_worker_(seed % 2 == 1),
      isolation_(isolation),
      max_persistent_grants_(max_persistent_grants),
      errors_(errors),
      world_(seed),
      own_domain_(own_domain),
      place_{world_,    machine_, storage_,    xenstored_, background_,
             journals_, kernel_,  own_domain_, workers,    [this] { return settings(); }} {
  if (std::getenv("TAPRING_LOG") == nullptr) spdlog::set_level(spdlog::level::off);
  if (!machine_.alive(own_domain)) machine_.create_domain(own_domain);
  toolstack_.introduce(own_domain);
  begin();
}

void Host::begin() {
  ++starts_;
  if (!has_workers()) {
    daemon_ = std::make_unique<SimSingleProcess>(place_, witnesses_, by_worker_);
    return;
  }
  auto control = std::make_unique<SimSupervisedProcesses>(
      place_, table_, message_deaths_, stored_,
      SimSupervisedProcesses::Settings{
          isolation_, [this] { kill_control(world_.pick(kToRestart)); }});
  control_ = control.get();
  daemon_ = std::move(control);
  control_->start();
}

void Host::kill_control(Time until_next) {
  if (control_ == nullptr) return;
  control_->die_alone();
  control_ = nullptr;
  ghosts_.push_back(std::move(daemon_));
  world_.after(until_next, [this] {
    if (!daemon_ && !ending_) start();
  });
}

Host::~Host() {
  ending_ = true;
  message_deaths_.stop();
  stop();
  table_.kill_all();
  bury();
  frontends_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Host::stop() {
  if (!daemon_ && !table_.running().empty()) start();
  if (!daemon_) return;
  // systemd would kill a daemon that does not come to an end.
  storage_.release_all();
  background_.stop_holding();
  background_.release();
  daemon_->shut_down();
  world_.run_until([this] { return !daemon_ || (daemon_->idle() && background_.idle()); });
  control_ = nullptr;
  daemon_.reset();
}

void Host::kill() {
  table_.kill_all();
  if (!daemon_) return;
  daemon_->die();
  journals_.take_from_all();
  background_.drop();
  close_images();
  control_ = nullptr;
  ghosts_.push_back(std::move(daemon_));
}

/// Locks go with the last descriptor. The numbers stay taken, as the ghost will close them.
void Host::close_images() {
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto is_image = [this](const std::string& path) { return images_.contains(path); };
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    if (!is_open_on(entry, is_image)) continue;
    ::dup3(nothing.get(), std::stoi(entry.path().filename()), O_CLOEXEC);
  }
}

void Host::bury() {
  storage_.release_all();
  const auto idle = [](const auto& ghost) { return ghost->idle(); };
  world_.run_until([&] { return std::ranges::all_of(ghosts_, idle) && table_.is_idle(); });
  ghosts_.clear();
  table_.bury();
}

void Host::start() {
  std::erase_if(ghosts_, [](const auto& ghost) { return ghost->idle(); });
  begin();
}

void Host::reload() { daemon_->configure(); }

void Host::restart() {
  stop();
  if (!daemon_) start();
}

void Host::restart(uint32_t max_persistent_grants) {
  max_persistent_grants_ = max_persistent_grants;
  restart();
}

void Host::power_off() {
  storage_.power_off();
  storage_.release_all();
  for (const auto& [name, frontend] : frontends_) {
    frontend->die();
    if (name.domain != 0 && machine_.alive(name.domain)) toolstack_.destroy(name.domain);
  }
  // What the daemon does now reaches no file: it may as well come to its end in order.
  world_.run_until([this] { return toolstack_.has_nothing(); });
  stop();
  table_.kill_all();
  storage_.power_on();
  journals_.clear();
  witnesses_.clear();
  stored_.clear();
  for (auto& [params, model] : models_) model.power_off();
  if (!daemon_) start();
}

void Host::make_losable(const DiskLine& line, const std::string& path) {
  storage_.make_losable(path);
  models_[line.params].expect_power_off();
}

std::string Host::make_image(const std::string& name, uint64_t bytes) {
  const std::string path = image_path(name);
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
  images_.insert(path);
  return path;
}

SimFrontend& Host::attach(const DiskLine& line, const FrontendOptions& options) {
  if (!machine_.alive(line.name.domain)) machine_.create_domain(line.name.domain);
  std::unique_ptr<SimFrontend>& frontend = frontends_[line.name];
  if (!frontend) {
    frontend = std::make_unique<SimFrontend>(world_, machine_, store_, line.name,
                                             models_[line.params], options);
  }
  if (line.has_loop_device) kernel_.make_loop_device(loop_device_of(line.name), line.params);
  toolstack_.attach(line);
  return *frontend;
}

uint64_t Host::backend_state(const DiskLine& line) const {
  const std::string text = store_.read(backend_directory(line) + "/state").value_or("");
  uint64_t state = 0;
  std::from_chars(text.data(), text.data() + text.size(), state);
  return state;
}

DiskReport Host::report(DiskName name) const {
  if (!daemon_) return {};
  for (DiskReport& report : daemon_->report()) {
    if (report.domain == name.domain && report.device == name.device) return std::move(report);
  }
  return {};
}

std::size_t Host::descriptors(const std::string& path) {
  const auto is_it = [&path](const std::string& target) { return target == path; };
  std::size_t open = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    if (is_open_on(entry, is_it)) ++open;
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
  if (daemon_) {
    note(witnesses_.size() + stored_.size(), "disks with witnesses");
    note(daemon_->bound(), "ports bound");
    note(table_.running().size(), "worker processes");
  }
  for (const std::string& path : images_) note(descriptors(path), "descriptors of " + path);
  return held;
}

std::vector<uint64_t> seeds(uint64_t count) {
  if (const char* chosen = std::getenv("TAPRING_SEED")) return {std::strtoull(chosen, nullptr, 10)};
  std::vector<uint64_t> all(count);
  std::iota(all.begin(), all.end(), 1U);
  return all;
}

}  // namespace tapring::sim
