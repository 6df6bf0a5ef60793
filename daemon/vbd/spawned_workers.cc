// SPDX-License-Identifier: MIT
#include "daemon/vbd/spawned_workers.h"

extern "C" {  // the header does not say so itself, in this version
#include <sys/pidfd.h>
}

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "daemon/host/decimal.h"
#include "daemon/host/message_socket.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;
using boost::system::error_code;

constexpr const char* kLockSuffix = ".lock";
constexpr const char* kSocketSuffix = ".sock";

// Between two looks at whether a process that is gone has let go of everything.
constexpr std::chrono::milliseconds kLockLookedAt{20};

// That workers which are told to stop take at most, unless their storage hangs.
constexpr std::chrono::seconds kStopPatience{22};

// Packets that a worker has not read: more than it can owe to a busy moment of xenstore. One that
// reads nothing must not fill our memory.
constexpr std::size_t kMaxWaiting = 4096;

// Control processes that came and went while a worker could not look; and how soon the next one
// tries again where there were more.
constexpr int kBacklog = 8;
constexpr std::chrono::milliseconds kPauseBeforeConnecting{200};

// Beyond the descriptors that a worker process gets, while it is being started.
constexpr int kFirstOther = 10;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

sockaddr_un address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(fmt::format("worker socket {}; choose a shorter run_dir", path.string()));
  }
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

UniqueFd make_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) fail("a worker's socket");
  return socket;
}

UniqueFd listen_at(const fs::path& path) {
  UniqueFd socket = make_socket();
  const sockaddr_un address = address_of(path);
  ::unlink(path.c_str());
  const mode_t mask = ::umask(0177);
  const int bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(mask);
  if (bound != 0 || ::listen(socket.get(), kBacklog) != 0) fail(path.string());
  return socket;
}

/// Not waited for: empty if the queue of its connections is full, as one that hangs takes none.
UniqueFd connect_to(const fs::path& path) {
  UniqueFd socket = make_socket();
  const sockaddr_un address = address_of(path);
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  if (errno == EAGAIN) return {};
  fail(path.string());
}

/// Of another number, so that it is none of those that a worker process gets.
UniqueFd moved_up(UniqueFd descriptor) {
  UniqueFd moved(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, kFirstOther));
  if (!moved) fail("a worker's descriptors");
  return moved;
}

bool try_lock(const UniqueFd& lock) {
  return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

pid_t spawn(const std::vector<std::string>& arguments, const UniqueFd& listener,
            const UniqueFd& lock) {
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, listener.get(), SpawnedWorkers::kListener);
  ::posix_spawn_file_actions_adddup2(&actions, lock.get(), SpawnedWorkers::kLock);
  // Whatever else is open, such as the control socket, is not for it.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, SpawnedWorkers::kLock + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // A terminal's signals are for the control process, which tells its workers.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::system_category(), "a worker process");
  return pid;
}

std::string describe_end(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
  return fmt::format("killed by signal {} ({})", info.si_status, ::strsignal(info.si_status));
}

class Spawned final : public WorkerProcess, public std::enable_shared_from_this<Spawned> {
 public:
  Spawned(asio::io_context& control, std::string name, fs::path path, UniqueFd lock, pid_t pid,
          WorkerProcesses::Callbacks callbacks)
      : name_(std::move(name)),
        path_(std::move(path)),
        lock_(std::move(lock)),
        pidfd_(control),
        socket_(control),
        timer_(control),
        retry_(control),
        callbacks_(std::move(callbacks)) {
    const int process = ::pidfd_open(pid, 0);
    if (process >= 0) pidfd_.assign(process);
  }
  ~Spawned() override {
    if (socket_.is_open()) socket_.release();  // it is that of messages_
  }

  void begin() {
    await_end();
    connect();
  }

  void send(Message message) override {
    if (!messages_) return;
    try {
      messages_->send_some(std::move(message));
    } catch (const std::system_error&) {
      return;  // its end is told soon
    }
    if (messages_->waiting() > kMaxWaiting) return give_up();
    flush();
  }

  void stop() override { signal(SIGTERM); }

  /// Nothing is told any more.
  void forget() {
    forgotten_ = true;
    error_code ignored;
    pidfd_.cancel(ignored);
    if (socket_.is_open()) socket_.cancel(ignored);
    timer_.cancel();
    retry_.cancel();
  }

 private:
  void connect() {
    try {
      UniqueFd socket = connect_to(path_);
      if (!socket) return connect_later();
      messages_.emplace(std::move(socket));
      socket_.assign(messages_->fd());
    } catch (const std::system_error& error) {
      spdlog::warn("{}: its worker process takes no connection: {}", name_, error.what());
      return;
    }
    receive();
  }

  void connect_later() {
    retry_.expires_after(kPauseBeforeConnecting);
    retry_.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->forgotten_) self->connect();
    });
  }

  /// Its disks go to another one.
  void give_up() { signal(SIGKILL); }

  void signal(int number) {
    if (pidfd_.is_open()) ::pidfd_send_signal(pidfd_.native_handle(), number, nullptr, 0);
  }

  void flush() {
    if (flushing_) return;
    try {
      if (messages_->flush()) return;
    } catch (const std::system_error&) {
      return;
    }
    flushing_ = true;
    socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](error_code error) {
                         self->flushing_ = false;
                         if (!error && !self->forgotten_) self->flush();
                       });
  }

  void receive() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](error_code error) {
                         if (!error && !self->forgotten_) self->receive_some();
                       });
  }

  /// One at a time, so that no worker keeps the others waiting.
  void receive_some() {
    if (auto message = messages_->receive_some()) callbacks_.said(*std::move(message));
    if (forgotten_) return;
    if (!messages_->is_ended()) return receive();
    // It is dying, or says what no worker says.
    give_up();
  }

  void await_end() {
    if (!pidfd_.is_open()) return await_lock("its process is gone");
    pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](error_code error) {
                        if (!error && !self->forgotten_) self->exited();
                      });
  }

  void exited() {
    siginfo_t info{};
    const auto process = static_cast<id_t>(pidfd_.native_handle());
    const bool is_ours = ::waitid(P_PIDFD, process, &info, WEXITED | WNOHANG) == 0;
    await_lock(is_ours && info.si_pid != 0 ? describe_end(info) : "its process is gone");
  }

  /// What it had at its storage is over when it has lost this, with all its other descriptors.
  void await_lock(const std::string& why) {
    if (try_lock(lock_)) {
      ::flock(lock_.get(), LOCK_UN);
      const auto self = shared_from_this();
      forget();
      return callbacks_.ended(why);
    }
    timer_.expires_after(kLockLookedAt);
    timer_.async_wait([self = shared_from_this(), why](error_code error) {
      if (!error && !self->forgotten_) self->await_lock(why);
    });
  }

  const std::string name_;
  const fs::path path_;  ///< of its socket
  UniqueFd lock_;        ///< a description of our own: the worker's holds the lock
  asio::posix::stream_descriptor pidfd_;
  std::optional<MessageSocket> messages_;
  asio::posix::stream_descriptor socket_;  ///< that of messages_
  asio::steady_timer timer_;
  asio::steady_timer retry_;
  WorkerProcesses::Callbacks callbacks_;
  bool flushing_ = false;
  bool forgotten_ = false;
};

/// Ends with its owner, though what waits for the process goes on for a moment.
class Handle final : public WorkerProcess {
 public:
  explicit Handle(std::shared_ptr<Spawned> process) : process_(std::move(process)) {}
  ~Handle() override { process_->forget(); }
  void send(Message message) override { process_->send(std::move(message)); }
  void stop() override { process_->stop(); }

 private:
  std::shared_ptr<Spawned> process_;
};

UniqueFd open_lock(const fs::path& path) {
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) fail(path.string());
  return lock;
}

fs::path directory_of(const fs::path& run_dir) {
  return run_dir / "workers";
}

std::vector<fs::path> locks_in(const fs::path& directory) {
  std::vector<fs::path> locks;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(directory, missing)) {
    if (entry.path().extension() == kLockSuffix) locks.push_back(entry.path());
  }
  return locks;
}

pid_t read_pid(const UniqueFd& lock) {
  std::array<char, 16> text{};
  const ssize_t length = ::pread(lock.get(), text.data(), text.size(), 0);
  if (length <= 0) return -1;
  return parse_decimal<pid_t>({text.data(), static_cast<std::size_t>(length)}).value_or(-1);
}

void write_pid(const UniqueFd& lock, pid_t pid) {
  const std::string text = std::to_string(pid);
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    fail("a worker's lock");
  }
}

}  // namespace

SpawnedWorkers::SpawnedWorkers(asio::io_context& control, const fs::path& run_dir,
                               std::vector<std::string> arguments)
    : control_(control), directory_(directory_of(run_dir)), arguments_(std::move(arguments)) {
  fs::create_directories(directory_);
  fs::permissions(directory_, fs::perms::owner_all);
}

std::vector<std::string> SpawnedWorkers::left() const {
  std::vector<std::string> names;
  for (const fs::path& lock : locks_in(directory_)) {
    if (!try_lock(open_lock(lock))) names.push_back(lock.stem().string());
  }
  return names;
}

void SpawnedWorkers::stop_left(const fs::path& run_dir) {
  for (const fs::path& path : locks_in(directory_of(run_dir))) {
    const UniqueFd lock = open_lock(path);
    if (try_lock(lock)) continue;
    spdlog::info("stopping the worker process of {}", path.stem().string());
    const UniqueFd process(::pidfd_open(read_pid(lock), 0));
    if (process) ::pidfd_send_signal(process.get(), SIGTERM, nullptr, 0);
  }
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  for (const fs::path& path : locks_in(directory_of(run_dir))) {
    const UniqueFd lock = open_lock(path);
    while (!try_lock(lock) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(kLockLookedAt);
    }
    if (!try_lock(lock)) {
      spdlog::error("the worker process of {} does not end: its disks wait for it",
                    path.stem().string());
    }
  }
}

std::unique_ptr<WorkerProcess> SpawnedWorkers::start(const std::string& name, Callbacks callbacks) {
  const fs::path lock_path = directory_ / (name + kLockSuffix);
  const fs::path socket_path = directory_ / (name + kSocketSuffix);
  UniqueFd held = open_lock(lock_path);
  pid_t pid = -1;
  if (try_lock(held)) {
    const UniqueFd listener = moved_up(listen_at(socket_path));
    held = moved_up(std::move(held));
    std::vector<std::string> arguments = arguments_;
    arguments.push_back(name);
    pid = spawn(arguments, listener, held);
    write_pid(held, pid);
  } else {
    pid = read_pid(held);
  }
  // A description of our own: what the worker has of `held` keeps the lock.
  const auto process = std::make_shared<Spawned>(control_, name, socket_path, open_lock(lock_path),
                                                 pid, std::move(callbacks));
  process->begin();
  return std::make_unique<Handle>(process);
}

}  // namespace tapring
