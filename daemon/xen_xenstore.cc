// SPDX-License-Identifier: MIT
#include "daemon/xen_xenstore.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace tapring {
namespace {

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

// Events handled before the control thread looks at anything else.
constexpr int kMaxEventsPerTurn = 256;

// A transaction is repeated when somebody else's got in between; this often only in a store where
// nothing works any more.
constexpr int kMaxAttempts = 1000;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), "xenstore: " + what);
}

/// What a key that is not there, or not for us to see, answers; all else is the connection's.
bool means_absent(int error) noexcept {
  return error == ENOENT || error == EACCES || error == EINVAL;
}

}  // namespace

XenXenstore::XenXenstore(boost::asio::io_context& control)
    : control_(control), handle_(xs_open(0)), events_(control) {
  if (!handle_) fail("cannot reach xenstored (is it running? systemctl status xen)");
  events_.assign(xs_fileno(handle_.get()));
  wait();
}

XenXenstore::~XenXenstore() {
  events_.release();  // the library's to close
}

std::optional<std::string> XenXenstore::read(const std::string& path) {
  return read(XBT_NULL, path);
}

std::optional<std::string> XenXenstore::read(xs_transaction_t transaction,
                                             const std::string& path) {
  unsigned int length = 0;
  const std::unique_ptr<void, Free> value(
      xs_read(handle_.get(), transaction, path.c_str(), &length));
  if (value) return std::string(static_cast<const char*>(value.get()), length);
  if (!means_absent(errno)) fail("read " + path);
  return std::nullopt;
}

std::vector<std::string> XenXenstore::list(const std::string& path) {
  unsigned int count = 0;
  const std::unique_ptr<char*, Free> names(
      xs_directory(handle_.get(), XBT_NULL, path.c_str(), &count));
  if (!names) {
    if (!means_absent(errno)) fail("list " + path);
    return {};
  }
  return {names.get(), names.get() + count};
}

bool XenXenstore::update(const std::string& directory, const XenstoreGuard& guard,
                         const XenstoreKeys& keys) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const xs_transaction_t transaction = xs_transaction_start(handle_.get());
    if (transaction == XBT_NULL) fail("begin a transaction");
    const auto found = read(transaction, fmt::format("{}/{}", directory, guard.key));
    if (!found || (guard.value && *found != *guard.value)) {
      xs_transaction_end(handle_.get(), transaction, true);
      return false;
    }
    for (const auto& [key, value] : keys) {
      const std::string path = fmt::format("{}/{}", directory, key);
      if (!xs_write(handle_.get(), transaction, path.c_str(), value.data(),
                    static_cast<unsigned int>(value.size()))) {
        const int error = errno;
        xs_transaction_end(handle_.get(), transaction, true);
        errno = error;
        fail("write " + path);
      }
    }
    if (xs_transaction_end(handle_.get(), transaction, false)) return true;
    if (errno != EAGAIN) fail("commit to " + directory);
  }
  errno = EAGAIN;
  fail("commit to " + directory);
}

void XenXenstore::watch(const std::string& path, const std::string& token) {
  if (!xs_watch(handle_.get(), path.c_str(), token.c_str())) fail("watch " + path);
}

void XenXenstore::unwatch(const std::string& path, const std::string& token) {
  // Gone already when the connection is: nothing to be done about it.
  xs_unwatch(handle_.get(), path.c_str(), token.c_str());
}

void XenXenstore::deliver_to(std::function<void(const WatchEvent&)> sink) {
  sink_ = std::move(sink);
}

bool XenXenstore::domain_alive(DomainId domain) {
  return xs_is_domain_introduced(handle_.get(), domain);
}

void XenXenstore::wait() {
  events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (!error) deliver();
                     });
}

void XenXenstore::deliver() {
  for (int i = 0; i < kMaxEventsPerTurn; ++i) {
    const std::unique_ptr<char*, Free> event(xs_check_watch(handle_.get()));
    if (!event) {
      if (errno == EAGAIN) return wait();
      spdlog::critical("xenstore: the connection is lost: {}; disks go on, but none comes or goes",
                       std::system_category().message(errno));
      return;
    }
    if (sink_) sink_({event.get()[XS_WATCH_PATH], event.get()[XS_WATCH_TOKEN]});
  }
  // The descriptor may not say that there is more.
  boost::asio::post(control_, [this] { deliver(); });
}

}  // namespace tapring
