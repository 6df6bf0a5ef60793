// SPDX-License-Identifier: MIT
#include "daemon/xen_xenstore.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

// Events handled before the control thread looks at anything else.
constexpr int kMaxEventsPerTurn = 256;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), "xenstore: " + what);
}

/// What a key that is not there, or not for us to see, answers; all else is the connection's.
bool means_absent(int error) noexcept {
  return error == ENOENT || error == EACCES || error == EINVAL;
}

std::optional<std::string> read_key(xs_handle* handle, xs_transaction_t transaction,
                                    const std::string& path) {
  unsigned int length = 0;
  const std::unique_ptr<void, Free> value(xs_read(handle, transaction, path.c_str(), &length));
  if (value) return std::string(static_cast<const char*>(value.get()), length);
  if (!means_absent(errno)) fail("read " + path);
  return std::nullopt;
}

class XenTransaction final : public XenstoreTransaction {
 public:
  explicit XenTransaction(xs_handle* handle)
      : handle_(handle), transaction_(xs_transaction_start(handle)) {
    if (transaction_ == XBT_NULL) fail("begin a transaction");
  }
  XenTransaction(const XenTransaction&) = delete;
  XenTransaction& operator=(const XenTransaction&) = delete;

  ~XenTransaction() override {
    if (transaction_ != XBT_NULL) xs_transaction_end(handle_, transaction_, true);
  }

  std::optional<std::string> read(const std::string& path) override {
    return read_key(handle_, transaction_, path);
  }

  void write(const std::string& path, const std::string& value) override {
    if (!xs_write(handle_, transaction_, path.c_str(), value.data(),
                  static_cast<unsigned int>(value.size()))) {
      fail("write " + path);
    }
    written_ = path;
  }

  Outcome commit() override {
    if (xs_transaction_end(handle_, std::exchange(transaction_, XBT_NULL), false)) {
      return Outcome::done;
    }
    if (errno != EAGAIN) fail("commit what was written to " + written_);
    return Outcome::conflict;
  }

 private:
  xs_handle* handle_;
  xs_transaction_t transaction_;
  std::string written_;  ///< last
};

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
  return read_key(handle_.get(), XBT_NULL, path);
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

std::unique_ptr<XenstoreTransaction> XenXenstore::begin() {
  return std::make_unique<XenTransaction>(handle_.get());
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

void XenXenstore::take_events() {
  // Whatever ended them is told again to deliver().
  deliver_some();
}

/// False, and errno, where there was no event any more.
bool XenXenstore::deliver_some() {
  for (int i = 0; i < kMaxEventsPerTurn; ++i) {
    const std::unique_ptr<char*, Free> event(xs_check_watch(handle_.get()));
    if (!event) return false;
    if (sink_) sink_({event.get()[XS_WATCH_PATH], event.get()[XS_WATCH_TOKEN]});
  }
  return true;
}

void XenXenstore::deliver() {
  // The descriptor may not say that there is more.
  if (deliver_some()) return boost::asio::post(control_, [this] { deliver(); });
  if (errno == EAGAIN) return wait();
  spdlog::critical("xenstore: the connection is lost: {}; disks go on, but none comes or goes",
                   std::system_category().message(errno));
}

}  // namespace tapring
