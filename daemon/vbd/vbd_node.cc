// SPDX-License-Identifier: MIT
#include "daemon/vbd/vbd_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "daemon/host/decimal.h"
#include "daemon/xenstore/xenstore_update.h"
#include "formats/printable.h"

namespace tapring {
namespace {

constexpr uint32_t kInfoCdrom = 1;
constexpr uint32_t kInfoRemovable = 2;
constexpr uint32_t kInfoReadOnly = 4;

constexpr std::string_view kSpecKeys[] = {"frontend",    "frontend-id", "dev",
                                          "params",      "mode",        "script",
                                          "device-type", "removable",   "discard-enable"};

constexpr const char* kOurPrefix = "tapring-";
constexpr const char* kDrainedKey = "tapring-drained";
constexpr const char* kConnectionKey = "tapring-connection";
constexpr const char* kFilesKey = "tapring-files";
constexpr const char* kStatusKey = "tapring-status";

// A path may be longer than what xenstored takes: 4096 bytes with the key's own path
// (XENSTORE_PAYLOAD_MAX), and 2048 of a backend domain that is not dom0 (its quota).
constexpr std::size_t kMaxStatus = 1024;

std::string decimal(XenbusState state) {
  return std::to_string(static_cast<uint32_t>(state));
}

/// "on_no_space" is "tapring-on-no-space" here.
std::string policy_key(std::string_view field) {
  return kOurPrefix + dashed(field);
}

XenstoreGuard state_is(XenbusState state) {
  return {"state", decimal(state)};
}

std::string info_bits(const VbdSpec& spec, const Geometry& geometry) {
  const uint32_t bits = (spec.cdrom ? kInfoCdrom : 0) | (spec.removable ? kInfoRemovable : 0) |
                        (geometry.read_only ? kInfoReadOnly : 0);
  return std::to_string(bits);
}

}  // namespace

VbdNode::VbdNode(Xenstore& store, DomainId backend_domain, const VbdName& name)
    : store_(store), name_(name), path_(name.backend_path(backend_domain)) {}

std::optional<std::expected<std::string, std::string>> VbdNode::read_frontend() const {
  auto frontend = read("frontend");
  if (!frontend) return std::nullopt;
  const std::string home = fmt::format("/local/domain/{}/", name_.domain);
  if (!frontend->starts_with(home) || read("frontend-id") != std::to_string(name_.domain)) {
    return std::unexpected(fmt::format("its frontend '{}' is not in {}", escaped(*frontend), home));
  }
  return std::move(*frontend);
}

std::string VbdNode::missing_key() const {
  for (const char* key : {"frontend-id", "mode", "state"}) {
    if (!read(key)) return key;
  }
  // A drive may be without a medium.
  return read("params") || read("device-type") == "cdrom" ? "" : "params";
}

bool VbdNode::may_get_script() const {
  return name_.kind != "qdisk" && !read("script") &&
         read_xenbus_state(path_) == XenbusState::initialising;
}

bool VbdNode::is_detached() const {
  return read_xenbus_state(path_) == XenbusState::closing && !online();
}

VbdSpec VbdNode::read_spec(std::string frontend) const {
  VbdSpec spec;
  spec.frontend = std::move(frontend);
  spec.vdev = read("dev").value_or(std::to_string(name_.device));
  spec.params = read("params").value_or("");
  spec.mode = read("mode").value_or("r");
  spec.script = read("script").value_or("");
  spec.cdrom = read("device-type") == "cdrom";
  spec.removable = read("removable") == "1";
  spec.discard = read("discard-enable") != "0";
  spec.target = read_target();
  const DomainId guest = spec.target.value_or(name_.domain);
  spec.guest = store_.read(fmt::format("/local/domain/{}/vm", guest)).value_or("");
  return spec;
}

/// A domain cannot write this key of its own.
std::optional<DomainId> VbdNode::read_target() const {
  const auto target = store_.read(fmt::format("/local/domain/{}/target", name_.domain));
  const auto domain = parse_decimal(target.value_or(""));
  if (!domain || *domain > std::numeric_limits<DomainId>::max()) return std::nullopt;
  return static_cast<DomainId>(*domain);
}

VbdState VbdNode::read_state(const VbdSpec& spec) const {
  VbdState state;
  state.backend = read_xenbus_state(path_);
  state.frontend = read_xenbus_state(spec.frontend);
  return state;
}

bool VbdNode::online() const {
  return read("online") == "1";
}

std::string VbdNode::hotplug_status() const {
  return read("hotplug-status").value_or("");
}

bool VbdNode::concerns(std::string_view path) const {
  if (!path.starts_with(path_ + "/")) return true;
  const std::string_view key = path.substr(path_.size() + 1);
  return key == "state" || key == "online" || key == "hotplug-status" || key == kDrainedKey;
}

bool VbdNode::is_of_spec(std::string_view path) const {
  if (!path.starts_with(path_ + "/")) return false;
  const std::string_view key = path.substr(path_.size() + 1);
  return std::ranges::find(kSpecKeys, key) != std::ranges::end(kSpecKeys);
}

bool VbdNode::is_policy(std::string_view path) const {
  if (!path.starts_with(path_ + "/")) return false;
  const std::string_view key = path.substr(path_.size() + 1);
  return key.starts_with(kOurPrefix) &&
         std::ranges::any_of(policy_fields(),
                             [key](std::string_view field) { return key == policy_key(field); });
}

/// One look for all, as most disks have none.
PolicyWords VbdNode::read_policy() const {
  const std::vector<std::string> keys = store_.list(path_);
  PolicyWords words;
  for (const char* field : policy_fields()) {
    const std::string key = policy_key(field);
    if (std::ranges::find(keys, key) == keys.end()) continue;
    if (auto word = read(key)) words[field] = std::move(*word);
  }
  return words;
}

bool VbdNode::write_policy(const PolicyWords& words) {
  XenstoreKeys keys;
  for (const auto& [field, word] : words) keys[policy_key(field)] = word;
  return update(store_, path_, {"frontend"}, keys);
}

RingOffer VbdNode::read_offer() const {
  if (offered_) return *offered_;
  RingOffer offer;
  offer.max_queues = parse_decimal(read("multi-queue-max-queues").value_or("")).value_or(1);
  offer.max_ring_order = parse_decimal(read("max-ring-page-order").value_or("")).value_or(0);
  offer.max_ring_order = std::min(offer.max_ring_order, kMaxRingOrder);
  return offer;
}

ConnectionOffer VbdNode::read_connection_offer() const {
  const auto segments = parse_decimal(read("feature-max-indirect-segments").value_or(""));
  return {std::min<uint32_t>(segments.value_or(0), kIndirectSegments),
          read("feature-persistent") == "1"};
}

FrontendKeys VbdNode::frontend_keys(const VbdSpec& spec) const {
  using Values = std::map<std::string, std::optional<std::string>>;
  return [this, directory = spec.frontend + "/", known = Values()](const std::string& key) mutable {
    const auto [value, is_new] = known.try_emplace(key);
    if (is_new) value->second = store_.read(directory + key);
    return value->second;
  };
}

bool VbdNode::was_served() const {
  return read(kDrainedKey).has_value();
}

std::string VbdNode::connection() const {
  return read(kConnectionKey).value_or("");
}

std::string VbdNode::served_files() const {
  return read(kFilesKey).value_or("");
}

uint64_t VbdNode::told_bytes() const {
  return parse_decimal(read("sectors").value_or("")).value_or(0) * kSectorBytes;
}

bool VbdNode::drained() const {
  return read(kDrainedKey) == "1";
}

std::string VbdNode::physical_device() const {
  return read("physical-device").value_or("");
}

bool VbdNode::keeps_grants(const VbdSpec& spec) const {
  return store_.read(spec.frontend + "/feature-persistent") == "1";
}

std::string VbdNode::hotplug_error() const {
  return read("hotplug-error").value_or("it gave no reason");
}

bool VbdNode::offer(XenbusState from, const TransportOffer& offer) {
  if (!move(from, XenbusState::init_wait,
            {{"max-ring-page-order", std::to_string(offer.max_ring_order)},
             {"multi-queue-max-queues", std::to_string(offer.max_queues)},
             {"feature-max-indirect-segments", std::to_string(offer.max_indirect_segments)}})) {
    return false;
  }
  offered_ = RingOffer{.max_queues = offer.max_queues, .max_ring_order = offer.max_ring_order};
  return true;
}

bool VbdNode::connect(XenbusState from, const VbdSpec& spec, const Geometry& geometry,
                      const ConnectionOffer& offer) {
  // Every feature is written, also those we have not: a node taken from xen-blkback, or one used
  // before, may hold other values.
  const bool discards = geometry.discard_granularity > 0;
  return move(from, XenbusState::connected,
              {{"feature-flush-cache", "1"},
               {"feature-barrier", "1"},
               {"feature-discard", discards ? "1" : "0"},
               {"discard-granularity", std::to_string(geometry.discard_granularity)},
               {"discard-alignment", "0"},
               {"discard-secure", geometry.secure_erase ? "1" : "0"},
               {"feature-persistent", offer.persistent_grants ? "1" : "0"},
               {"feature-max-indirect-segments", std::to_string(offer.max_indirect_segments)},
               {"sectors", std::to_string(geometry.size_bytes / kSectorBytes)},
               {"sector-size", std::to_string(kSectorBytes)},
               {"physical-sector-size", std::to_string(geometry.physical_sector_bytes)},
               {"info", info_bits(spec, geometry)},
               {kDrainedKey, "0"}});
}

bool VbdNode::resize(uint64_t sectors) {
  return move(XenbusState::connected, XenbusState::connected,
              {{"sectors", std::to_string(sectors)}});
}

bool VbdNode::write_state(XenbusState from, XenbusState to) {
  return move(from, to);
}

bool VbdNode::move(XenbusState from, XenbusState to, XenstoreKeys keys) {
  keys["state"] = decimal(to);
  if (!update(store_, path_, state_is(from), keys)) return false;
  written_ = to;
  return true;
}

bool VbdNode::mark_drained() {
  const XenstoreKeys keys{{kDrainedKey, "1"}, {kConnectionKey, ""}};
  return update(store_, path_, state_is(XenbusState::connected), keys) ||
         update(store_, path_, state_is(XenbusState::closing), keys);
}

void VbdNode::begin_service(const std::string& connection, const std::string& files, bool again) {
  XenstoreKeys keys{{kConnectionKey, connection}, {kFilesKey, files}};
  if (again) keys.emplace(kDrainedKey, "0");
  update(store_, path_, {"frontend"}, keys);
}

void VbdNode::end_service() {
  update(store_, path_, {"frontend"}, {{kConnectionKey, ""}, {kDrainedKey, "0"}, {kFilesKey, ""}});
}

void VbdNode::write_status(const std::string& status) {
  update(store_, path_, {"frontend"}, {{kStatusKey, printable(status, kMaxStatus)}});
}

std::optional<std::string> VbdNode::read(std::string_view key) const {
  return store_.read(fmt::format("{}/{}", path_, key));
}

XenbusState VbdNode::read_xenbus_state(const std::string& directory) const {
  const auto number = parse_decimal(store_.read(directory + "/state").value_or(""));
  const bool known = number && *number >= 1 && *number <= 8;
  return known ? static_cast<XenbusState>(*number) : XenbusState::missing;
}

}  // namespace tapring
