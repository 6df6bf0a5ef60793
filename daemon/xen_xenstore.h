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

#include "daemon/xenstore.h"

namespace tapring {

class XenXenstore final : public Xenstore {
 public:
  /// Throws std::system_error when xenstored cannot be reached.
  explicit XenXenstore(boost::asio::io_context& control);
  ~XenXenstore() override;

  std::optional<std::string> read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::unique_ptr<XenstoreTransaction> begin() override;
  void watch(const std::string& path, const std::string& token) override;
  void unwatch(const std::string& path, const std::string& token) override;
  void deliver_to(std::function<void(const WatchEvent&)> sink) override;
  void take_events() override;
  bool domain_alive(DomainId domain) override;

 private:
  struct Close {
    void operator()(xs_handle* handle) const noexcept { xs_close(handle); }
  };

  void wait();
  bool deliver_some();
  void deliver();

  boost::asio::io_context& control_;
  std::unique_ptr<xs_handle, Close> handle_;
  boost::asio::posix::stream_descriptor events_;
  std::function<void(const WatchEvent&)> sink_;
};

}  // namespace tapring
