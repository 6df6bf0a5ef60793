// SPDX-License-Identifier: MIT
#include "daemon/xenstore/store_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "daemon/host/decimal.h"
#include "daemon/xenstore/store_commit.h"

namespace tapring {
namespace {

constexpr const char* kOwnDomain = "domid";

// Beginnings of the keys of a node that a backend writes (xen/include/public/io/blkif.h). Others
// are the toolstack's: who writes those decides which image is served.
constexpr std::string_view kBackendKeys[] = {
    "state",   "feature-", "max-ring-page-order", "multi-queue-max-queues", "discard-",
    "sectors", "info",     "sector-size",         "physical-sector-size",   "tapring-",
};

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

/// The number of the domain in whose directory the path is.
std::optional<DomainId> domain_of(std::string_view path) {
  constexpr std::string_view kRoot = "/local/domain/";
  if (!path.starts_with(kRoot)) return std::nullopt;
  path.remove_prefix(kRoot.size());
  const auto number = parse_decimal<DomainId>(path.substr(0, path.find('/')));
  return number;
}

}  // namespace

std::string marker_of(std::string_view worker) {
  return fmt::format("data/tapringd-{}", worker);
}

StoreView::StoreView(Xenstore& store, Scope scope, std::function<void(Message)> tell)
    : store_(store), scope_(std::move(scope)), tell_(std::move(tell)) {}

bool StoreView::may_read(std::string_view path, DomainId backend) const {
  if (path == kOwnDomain || path == marker_of(scope_.name) ||
      path == fmt::format("/local/domain/{}/{}", backend, kOwnDomain)) {
    return true;
  }
  if (const auto name = parse_vbd_path(path, backend)) {
    const std::string node = name->backend_path(backend);
    return scope_.owns(*name) && (path == node || path.starts_with(node + '/'));
  }
  const auto domain = domain_of(path);
  if (!domain || !scope_.owns_domain(*domain)) return false;
  const std::string home = fmt::format("/local/domain/{}/", *domain);
  return path == home + "vm" || path == home + "target" || path.starts_with(home + "device/") ||
         path == home + marker_of(scope_.name);
}

bool StoreView::may_write(std::string_view path, DomainId backend) const {
  if (path == fmt::format("/local/domain/{}/{}", backend, marker_of(scope_.name))) return true;
  const auto name = parse_vbd_path(path, backend);
  if (!name || !scope_.owns(*name)) return false;
  const std::string node = name->backend_path(backend) + '/';
  if (!path.starts_with(node)) return false;
  const std::string_view key = path.substr(node.size());
  return key.find('/') == std::string_view::npos &&
         std::ranges::any_of(kBackendKeys,
                             [key](std::string_view known) { return key.starts_with(known); });
}

std::vector<std::string> StoreView::answer(const Message& call, DomainId backend) {
  const std::vector<std::string>& words = call.words;
  const auto need = [&words](std::size_t count) {
    if (words.size() != count) refuse(EINVAL, "a worker's words");
  };
  switch (call.verb) {
    case Verb::store_read: {
      need(1);
      if (!may_read(words[0], backend)) return {};
      const auto value = store_.read(words[0]);
      return value ? std::vector{*value} : std::vector<std::string>{};
    }
    case Verb::store_list:
      need(1);
      return list(words[0], backend);
    case Verb::store_commit: {
      const auto commit = StoreCommit::from_words(words);
      if (!commit) refuse(EINVAL, "a worker's words");
      for (const auto& [path, value] : commit->read) {
        if (!may_read(path, backend)) refuse(EACCES, path);
      }
      for (const auto& [path, value] : commit->written) {
        if (!may_write(path, backend)) refuse(EACCES, path);
      }
      return {commit->make(store_) == XenstoreTransaction::Outcome::done ? "1" : "0"};
    }
    case Verb::store_watch:
      need(2);
      watch(words[0], words[1], backend);
      return {};
    case Verb::store_alive: {
      need(1);
      const auto domain = parse_decimal<DomainId>(words[0]);
      if (!domain) refuse(EINVAL, "a worker's words");
      return {store_.domain_alive(*domain) ? "1" : "0"};
    }
    default:
      refuse(ENOSYS, "a worker's call");
  }
}

/// Of the directories of a kind and of a domain only what is the worker's.
std::vector<std::string> StoreView::list(const std::string& path, DomainId backend) {
  std::vector<std::string> names;
  const std::string root = backend_root(backend) + '/';
  const bool is_shared = path.starts_with(root) && !parse_vbd_path(path, backend);
  if (!is_shared) return may_read(path, backend) ? store_.list(path) : names;
  names = store_.list(path);
  const bool is_kind = path.find('/', root.size()) == std::string::npos;
  std::erase_if(names, [&](const std::string& name) {
    if (is_kind) {
      const auto domain = parse_decimal<DomainId>(name);
      return !domain || !scope_.owns_domain(*domain);
    }
    const auto vbd = parse_vbd_path(path + '/' + name, backend);
    return !vbd || !scope_.owns(*vbd);
  });
  return names;
}

void StoreView::watch(const std::string& path, const std::string& token, DomainId backend) {
  const std::string root = backend_root(backend) + '/';
  const bool is_kind = path.starts_with(root) && path.find('/', root.size()) == std::string::npos;
  if (is_kind || path == kReleaseDomain) {
    shared_[path] = token;
    return deliver(path, token);  // as each watch begins with an event
  }
  if (!may_read(path, backend)) refuse(EACCES, path);
  if (watches_.size() == kMaxWatches) refuse(E2BIG, "a worker's watches");
  watches_.emplace(path, token);
  store_.watch(path, token_prefix() + token);
}

void StoreView::unwatch(const std::string& path, const std::string& token) {
  if (shared_.erase(path) > 0 || watches_.erase({path, token}) == 0) return;
  store_.unwatch(path, token_prefix() + token);
}

void StoreView::deliver_shared(const std::string& path, const std::string& watched) {
  const auto token = shared_.find(watched);
  if (token != shared_.end()) deliver(path, token->second);
}

void StoreView::deliver(const std::string& path, const std::string& token) {
  tell_({Message::Kind::tell, Verb::store_event, 0, {path, token}});
}

void StoreView::forget() {
  shared_.clear();
  for (const auto& [path, token] : std::exchange(watches_, {})) {
    store_.unwatch(path, token_prefix() + token);
  }
}

}  // namespace tapring
