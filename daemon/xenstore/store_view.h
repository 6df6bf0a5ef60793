// SPDX-License-Identifier: MIT
// What a worker process may see of xenstore, and change: the nodes of its own guests, and nothing
// else, whatever it asks. A worker that an image or a guest has taken over gains nothing here.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/host/message.h"
#include "daemon/xenstore/vbd_name.h"
#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// A key in the backend domain's directory that a worker writes: see Server::on_connected().
std::string marker_of(std::string_view worker);

class StoreView {
 public:
  /// Of a worker: one for each disk that a host may have, and some.
  static constexpr std::size_t kMaxWatches = 20000;

  struct Scope {
    std::string name;  ///< of the worker; no other has it
    std::function<bool(const VbdName&)> owns;
    std::function<bool(DomainId)> owns_domain;
  };

  /// `tell`: sends the worker what it is told. `store` outlives this.
  StoreView(Xenstore& store, Scope scope, std::function<void(Message)> tell);
  StoreView(const StoreView&) = delete;
  StoreView& operator=(const StoreView&) = delete;
  ~StoreView() { forget(); }

  /// The result of a call about xenstore. Throws std::system_error: XenstoreLost, and others for
  /// what is refused.
  std::vector<std::string> answer(const Message& call, DomainId backend);

  void unwatch(const std::string& path, const std::string& token);

  /// An event of the watch that is not this worker's alone, on a kind's directory or on all
  /// domains. `kind`: as the worker named the watch.
  void deliver_shared(const std::string& path, const std::string& watched);

  /// An event of a watch() of this worker.
  void deliver(const std::string& path, const std::string& token);

  /// What its watches' tokens begin with, in xenstore.
  std::string token_prefix() const { return scope_.name + '|'; }

  /// Drops what the worker watches: it begins anew.
  void forget();

 private:
  bool may_read(std::string_view path, DomainId backend) const;
  bool may_write(std::string_view path, DomainId backend) const;
  std::vector<std::string> list(const std::string& path, DomainId backend);
  void watch(const std::string& path, const std::string& token, DomainId backend);

  Xenstore& store_;
  const Scope scope_;
  const std::function<void(Message)> tell_;
  std::map<std::string, std::string> shared_;              ///< tokens by what is watched
  std::set<std::pair<std::string, std::string>> watches_;  ///< path, token
};

}  // namespace tapring
