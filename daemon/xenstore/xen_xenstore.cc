// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xen_xenstore.h"

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

/// The errors of a key that does not exist or that we may not read.
bool means_absent(int error) noexcept {
  return error == ENOENT || error == EACCES || error == EINVAL;
}

/// Errors that xenstored itself never answers: they mean that the connection is broken.
bool means_lost(int error) noexcept {
  return error == EBADF || error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

}  // namespace

XenXenstore::Handle XenXenstore::open_handle(XenstoreSocket& socket, ReplyTimeout* timeout) {
  // Connecting may hang and cannot be cut off; the timeout lets the watchdog know of the wait.
  const ReplyTimeout::Wait wait(timeout, -1);
  XenstoreSocket::require_listener();
  Handle handle(xs_open(0));
  if (!handle) {
    fail(
        "cannot reach xenstored (is it running? systemctl status xen; in a driver domain: "
        "DRIVER DOMAINS in tapringd(8))");
  }
  socket.find();
  return handle;
}

/// Does what asks xenstored and waits for its answer. A call that fails because there is no
/// connection any more may say anything (libxenstore 4.17: EINVAL), so that is asked first.
template <typename Call>
auto XenXenstore::ask(const std::string& what, Call call) {
  const ReplyTimeout::Wait wait(timeout_, socket_.fd());
  errno = 0;
  auto answer = call();
  if (answer) return answer;
  const int error = errno;
  if (wait.expired()) throw XenstoreLost(ETIMEDOUT, what);
  if (means_lost(error)) throw XenstoreLost(error, what);
  if (socket_.ended()) throw XenstoreLost(ECONNRESET, what);
  errno = error;
  return answer;
}

class XenXenstore::Transaction final : public XenstoreTransaction {
 public:
  explicit Transaction(XenXenstore& store) : store_(store) {
    transaction_ = store_.ask("begin a transaction",
                              [&] { return xs_transaction_start(store_.handle_.get()); });
    if (transaction_ == XBT_NULL) fail("begin a transaction");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  ~Transaction() override {
    if (transaction_ == XBT_NULL || store_.socket_.ended()) return;
    const ReplyTimeout::Wait wait(store_.timeout_, store_.socket_.fd());
    xs_transaction_end(store_.handle_.get(), transaction_, true);
  }

  std::optional<std::string> read(const std::string& path) override {
    return store_.read_in(transaction_, path);
  }

  void write(const std::string& path, const std::string& value) override {
    const std::string what = "write " + path;
    if (!store_.ask(what, [&] {
          return xs_write(store_.handle_.get(), transaction_, path.c_str(), value.data(),
                          static_cast<unsigned int>(value.size()));
        })) {
      fail(what);
    }
    written_ = path;
  }

  Outcome commit() override {
    const std::string what = "commit what was written to " + written_;
    const xs_transaction_t ending = std::exchange(transaction_, XBT_NULL);
    if (store_.ask(what, [&] { return xs_transaction_end(store_.handle_.get(), ending, false); })) {
      return Outcome::done;
    }
    if (errno != EAGAIN) fail(what);
    return Outcome::conflict;
  }

 private:
  XenXenstore& store_;
  xs_transaction_t transaction_ = XBT_NULL;
  std::string written_;  ///< last
};

XenXenstore::XenXenstore(boost::asio::io_context& control, ReplyTimeout* timeout)
    : control_(control),
      timeout_(timeout),
      handle_(open_handle(socket_, timeout)),
      events_(control),
      end_(control) {
  events_.assign(xs_fileno(handle_.get()));
  wait();
  if (socket_.hangup() < 0) return;
  end_.assign(socket_.hangup());
  wait_for_end();
}

XenXenstore::~XenXenstore() {
  events_.release();  // the library's to close
  end_.release();
}

std::optional<std::string> XenXenstore::read_in(xs_transaction_t transaction,
                                                const std::string& path) {
  unsigned int length = 0;
  const auto value = ask("read " + path, [&] {
    return std::unique_ptr<void, Free>(xs_read(handle_.get(), transaction, path.c_str(), &length));
  });
  if (value) return std::string(static_cast<const char*>(value.get()), length);
  if (!means_absent(errno)) fail("read " + path);
  return std::nullopt;
}

std::optional<std::string> XenXenstore::read(const std::string& path) {
  return read_in(XBT_NULL, path);
}

std::vector<std::string> XenXenstore::list(const std::string& path) {
  unsigned int count = 0;
  const auto names = ask("list " + path, [&] {
    return std::unique_ptr<char*, Free>(
        xs_directory(handle_.get(), XBT_NULL, path.c_str(), &count));
  });
  if (!names) {
    if (!means_absent(errno)) fail("list " + path);
    return {};
  }
  return {names.get(), names.get() + count};
}

std::unique_ptr<XenstoreTransaction> XenXenstore::begin() {
  return std::make_unique<Transaction>(*this);
}

void XenXenstore::watch(const std::string& path, const std::string& token) {
  const auto set = [&] { return xs_watch(handle_.get(), path.c_str(), token.c_str()); };
  if (!ask("watch " + path, set)) fail("watch " + path);
}

void XenXenstore::unwatch(const std::string& path, const std::string& token) {
  // Gone already when the connection is: nothing to be done about it.
  if (socket_.ended()) return;
  const ReplyTimeout::Wait wait(timeout_, socket_.fd());
  xs_unwatch(handle_.get(), path.c_str(), token.c_str());
}

void XenXenstore::deliver_to(std::function<void(const WatchEvent&)> sink) {
  sink_ = std::move(sink);
}

void XenXenstore::on_loss(std::function<void(const std::string& reason)> told) {
  told_ = std::move(told);
}

bool XenXenstore::domain_alive(DomainId domain) {
  const auto look = [&] { return xs_is_domain_introduced(handle_.get(), domain); };
  // oxenstored answers this to dom0 only.
  return ask("look for a domain", look) || errno == EACCES;
}

void XenXenstore::wait() {
  events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
                       if (!error && !alive.expired()) deliver();
                     });
}

void XenXenstore::wait_for_end() {
  end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                  [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
                    if (error || alive.expired() || !told_) return;
                    told_("xenstore: the connection is lost: xenstored has ended it");
                  });
}

void XenXenstore::take_events() {
  deliver_some();
}

/// False where there was no event any more.
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
  if (!deliver_some()) return wait();
  boost::asio::post(control_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver();
  });
}

}  // namespace tapring
