// SPDX-License-Identifier: MIT
#include "daemon/control/report_json.h"

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <type_traits>

namespace tapring {

BOOST_DESCRIBE_STRUCT(DiskCounters, (),
                      (reads, writes, flushes, discards, read_bytes, written_bytes, discarded_bytes,
                       errors, unsupported, read_ns, write_ns, flush_ns, discard_ns, wakeups,
                       notifications, in_flight, held, pauses, retries, given_up))

BOOST_DESCRIBE_STRUCT(LastError, (), (operation, offset, error, message, time))

BOOST_DESCRIBE_STRUCT(DiskReport, (),
                      (disk, domain, device, kind, vdev, mode, format, path, state, paused_for,
                       paused_since, reason, backend_state, frontend_state, size_bytes, queues,
                       ring_pages, protocol, workers, notices, on_no_space, on_io_error,
                       pause_limit_seconds, counters, last_error))

namespace {

namespace json = boost::json;

template <typename T>
using Fields = boost::describe::describe_members<T, boost::describe::mod_public>;

template <typename T>
constexpr bool kIsObject = std::is_same_v<T, DiskCounters> || std::is_same_v<T, LastError>;

template <typename T>
json::object object_of(const T& value) {
  json::object object;
  boost::mp11::mp_for_each<Fields<T>>([&](auto field) {
    const auto& member = value.*field.pointer;
    if constexpr (kIsObject<std::remove_cvref_t<decltype(member)>>) {
      object[field.name] = object_of(member);
    } else {
      object[field.name] = json::value_from(member);
    }
  });
  return object;
}

template <typename T>
void fill(T& value, const json::object& object) {
  boost::mp11::mp_for_each<Fields<T>>([&](auto field) {
    const json::value* found = object.if_contains(field.name);
    if (found == nullptr) return;
    auto& member = value.*field.pointer;
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (kIsObject<Member>) {
      fill(member, json::value_to<json::object>(*found));
    } else {
      member = json::value_to<Member>(*found);
    }
  });
}

}  // namespace

json::object to_json(const DiskReport& report) {
  return object_of(report);
}
json::object to_json(const DiskCounters& counters) {
  return object_of(counters);
}

DiskReport report_from_json(const json::value& value) {
  DiskReport report;
  fill(report, json::value_to<json::object>(value));
  return report;
}

}  // namespace tapring
