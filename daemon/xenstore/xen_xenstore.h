// SPDX-License-Identifier: MIT
// The xenstore of production: libxenstore, its watch events taken from an Asio thread.
#pragma once

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/reply_timeout.h"
#include "daemon/xenstore/xenstore.h"
#include "daemon/xenstore/xenstore_socket.h"

namespace tapring {

class XenXenstore final : public XenstoreConnection {
 public:
  /// Throws std::system_error when xenstored cannot be reached. `timeout`, if there is one,
  /// outlives this, and bounds each wait for an answer.
  explicit XenXenstore(boost::asio::io_context& control, ReplyTimeout* timeout = nullptr);
  ~XenXenstore() override;

  std::optional<std::string> read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::unique_ptr<XenstoreTransaction> begin() override;
  void watch(const std::string& path, const std::string& token) override;
  void unwatch(const std::string& path, const std::string& token) override;
  void deliver_to(std::function<void(const WatchEvent&)> sink) override;
  void on_loss(std::function<void(const std::string& reason)> told) override;
  void take_events() override;
  bool domain_alive(DomainId domain) override;

 private:
  class Transaction;

  struct Close {
    void operator()(xs_handle* handle) const noexcept { xs_close(handle); }
  };

  using Handle = std::unique_ptr<xs_handle, Close>;

  static Handle open_handle(XenstoreSocket& socket, ReplyTimeout* timeout);
  template <typename Call>
  auto ask(const std::string& what, Call call);
  std::optional<std::string> read_in(xs_transaction_t transaction, const std::string& path);
  void wait();
  void wait_for_end();
  bool deliver_some();
  void deliver();

  boost::asio::io_context& control_;
  ReplyTimeout* timeout_;
  XenstoreSocket socket_;
  Handle handle_;
  boost::asio::posix::stream_descriptor events_;
  boost::asio::posix::stream_descriptor end_;
  std::function<void(const WatchEvent&)> sink_;
  std::function<void(const std::string& reason)> told_;
  /// What waits in the control thread's queue may come when this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring
