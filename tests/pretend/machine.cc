// SPDX-License-Identifier: MIT
#include "tests/pretend/machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include "tests/pretend/domains.h"

namespace tapring::pretend {
namespace {

[[noreturn]] void fail(int number, const std::string& what) {
  throw std::system_error(number, std::system_category(), what);
}

std::filesystem::path control_path(const std::filesystem::path& directory) {
  return directory / "control";
}

Control* map_control(int fd) {
  void* memory =
      ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (memory == MAP_FAILED) fail(errno, "mapping the pretend machine");
  return static_cast<Control*>(memory);
}

void make_lock(pthread_mutex_t& lock) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const int result = pthread_mutex_init(&lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  if (result != 0) fail(result, "making the machine's lock");
}

UniqueFd open_file(const std::filesystem::path& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) fail(errno, path.string());
  return fd;
}

}  // namespace

void Machine::create(const std::filesystem::path& directory) {
  const UniqueFd fd = open_file(control_path(directory), O_CREAT | O_EXCL);
  if (::ftruncate(fd.get(), sizeof(Control)) != 0) fail(errno, directory.string());
  Control* control = map_control(fd.get());
  make_lock(control->lock);
  ::munmap(control, sizeof(Control));
  Machine machine(directory);
  create_domain(machine, 0);
}

Machine::Machine(std::filesystem::path directory)
    : directory_(std::move(directory)),
      self_(this_process()),
      control_(map_control(open_file(control_path(directory_), 0).get())) {}

Machine::~Machine() {
  ::munmap(control_, sizeof(Control));
}

Machine& Machine::of_environment() {
  static Machine machine([] {
    const char* directory = std::getenv(kMachineVariable);
    if (directory == nullptr) fail(ENOENT, std::string("no machine: ") + kMachineVariable);
    return std::filesystem::path(directory);
  }());
  return machine;
}

Machine::Lock::Lock(Machine& machine) : mutex_(machine.control().lock) {
  const int result = pthread_mutex_lock(&mutex_);
  if (result == EOWNERDEAD) {
    pthread_mutex_consistent(&mutex_);
  } else if (result != 0) {
    fail(result, "locking the pretend machine");
  }
}

Machine::Lock::~Lock() {
  pthread_mutex_unlock(&mutex_);
}

bool Machine::is_alive(DomainId id) const noexcept {
  return id < kDomains && control_->domains.at(id).state == DomainState::alive;
}

UniqueFd Machine::open_memory(DomainId id) const {
  return open_file(memory_path(id), 0);
}

std::filesystem::path Machine::memory_path(DomainId id) const {
  return directory_ / ("memory-" + std::to_string(id));
}

std::filesystem::path Machine::fifo_path(uint64_t handle) const {
  return directory_ / ("events-" + std::to_string(handle));
}

MemoryView::MemoryView(const Machine& machine, DomainId domain, uint32_t first_page,
                       uint32_t pages) {
  const UniqueFd fd = machine.open_memory(domain);
  const std::size_t bytes = pages * kPageBytes;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        fd.get(), static_cast<off_t>(first_page * kPageBytes));
  if (memory == MAP_FAILED) fail(errno, machine.memory_path(domain).string());
  bytes_ = {static_cast<std::byte*>(memory), bytes};
}

MemoryView::~MemoryView() {
  ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace tapring::pretend
