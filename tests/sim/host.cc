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

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""s;
constexpr std::chrono::milliseconds kLockWait = 2s;

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
  if (by_worker_) settings.marker = marker_of(SimControlProcess::kWorker);
  return settings;
}

Host::SimWorker::SimWorker(Host& host)
    : loop(host.world_, host.storage_),
      grants(host.machine_, host.own_domain_),
      events(loop, host.machine_, host.own_domain_),
      worker(loop, grants, events, kArenaBytes) {}

Host::Daemon::Daemon(Host& host)
    : background(host.background_),
      journals(host.journals_),
      witnesses(host.witnesses_, host.storage_),
      control(std::make_unique<SimExecutor>(host.world_)),
      xenstore([this, &host] { return connect(host); }, *control, *control) {
  std::vector<Worker*> pointers;
  for (std::size_t i = 0; i < host.workers_; ++i) {
    pointers.push_back(&workers.emplace_back(host).worker);
  }
  const ServerPorts ports{xenstore,     *control, background, *control,
                          host.kernel_, journals, witnesses,  Workers(pointers)};
  server = std::make_unique<Server>(ports, host.settings());
  server->start([] {});
}

std::unique_ptr<XenstoreConnection> Host::Daemon::connect(Host& host) {
  if (dead) throw XenstoreLost(ECONNREFUSED, "a process that was killed");
  auto made = host.xenstored_.connect(*control, host.own_domain_);
  connection = made.get();
  connection_life = made->life();
  if (!host.by_worker_) return made;
  return std::make_unique<SimRemoteXenstore>(std::move(made), *control, host.own_domain_);
}

Host::Daemon::~Daemon() {
  // What the control thread would have done next must neither run nor outlive the server.
  control.reset();
  server.reset();
}

Host::Host(uint64_t seed, uint32_t max_persistent_grants, DomainId own_domain, std::size_t workers,
           const ErrorPolicy& errors)
    : directory_(make_directory()),
      workers_(workers),
      by_worker_(seed % 2 == 1),
      max_persistent_grants_(max_persistent_grants),
      errors_(errors),
      world_(seed),
      own_domain_(own_domain) {
  if (std::getenv("TAPRING_LOG") == nullptr) spdlog::set_level(spdlog::level::off);
  if (!machine_.alive(own_domain)) machine_.create_domain(own_domain);
  toolstack_.introduce(own_domain);
  daemon_ = std::make_unique<Daemon>(*this);
}

void Host::Daemon::die() {
  background.die();
  journals.die();
  witnesses.die();
  dead = true;
  if (!connection_life.expired()) connection->die();
  for (SimWorker& worker : workers) {
    worker.loop.die();
    worker.grants.die();
    worker.events.die();
  }
  server->shut_down();
}

Host::~Host() {
  stop();
  bury();
  frontends_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Host::stop() {
  if (!daemon_) return;
  // systemd would kill a daemon that does not come to an end.
  storage_.release_all();
  background_.stop_holding();
  background_.release();
  daemon_->server->shut_down();
  world_.run_until(
      [this] { return !daemon_ || (daemon_->server->idle() && background_.idle()); });
  daemon_.reset();
}

void Host::kill() {
  if (!daemon_) return;
  daemon_->die();
  journals_.take_from_all();
  background_.drop();
  close_images();
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
  const auto idle = [](const auto& ghost) { return ghost->server->idle(); };
  world_.run_until([&] { return std::ranges::all_of(ghosts_, idle); });
  ghosts_.clear();
}

void Host::start() {
  std::erase_if(ghosts_, [](const auto& ghost) { return ghost->server->idle(); });
  daemon_ = std::make_unique<Daemon>(*this);
}

void Host::reload() { daemon_->server->configure(settings()); }

void Host::restart() {
  stop();
  start();
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
  storage_.power_on();
  journals_.clear();
  witnesses_.clear();
  for (auto& [params, model] : models_) model.power_off();
  start();
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
  for (DiskReport& report : daemon_->server->report()) {
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
    note(witnesses_.size(), "disks with witnesses");
    for (const SimWorker& worker : daemon_->workers) note(worker.events.bound(), "ports bound");
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
