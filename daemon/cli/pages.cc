// SPDX-License-Identifier: MIT
#include "daemon/cli/pages.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <array>
#include <ostream>
#include <string_view>
#include <utility>

#include "formats/printable.h"

namespace tapring {
namespace {

constexpr double kMegabyte = 1e6;

Colour colour_of(std::string_view state) {
  if (state == "connected") return Colour::green;
  if (state == "refused" || state == "paused") return Colour::red;
  if (state == "failed" || state == "errors") return Colour::red;
  if (state == "kernel" || state == "closed") return Colour::none;
  return Colour::yellow;
}

// xen/include/public/io/xenbus.h
std::string bus_state(uint32_t state) {
  constexpr std::array kNames = {"none",        "initialising",  "init wait",
                                 "initialised", "connected",     "closing",
                                 "closed",      "reconfiguring", "reconfigured"};
  if (state >= kNames.size()) return fmt::format("{}", state);
  return fmt::format("{} ({})", state, kNames[state]);
}

std::string state_of(const DiskReport& disk) {
  return disk.paused_for.empty() ? disk.state : disk.state + ": " + disk.paused_for;
}

std::string latency(const OperationRate& rate) {
  return rate.mean_latency_us ? fmt::format("{:.0f}", *rate.mean_latency_us) : "-";
}

std::string total(uint64_t count, uint64_t bytes, uint64_t ns) {
  if (count == 0) return "0";
  const double mean_us = static_cast<double>(ns) / static_cast<double>(count) / 1000;
  return fmt::format("{}, {}, mean latency {:.0f} us", count, human_bytes(bytes), mean_us);
}

std::string total(uint64_t count, uint64_t ns) {
  if (count == 0) return "0";
  const double mean_us = static_cast<double>(ns) / static_cast<double>(count) / 1000;
  return fmt::format("{}, mean latency {:.0f} us", count, mean_us);
}

void print_counters(const DiskCounters& counters, std::ostream& out) {
  print_line(out, "reads", total(counters.reads, counters.read_bytes, counters.read_ns));
  print_line(out, "writes", total(counters.writes, counters.written_bytes, counters.write_ns));
  print_line(out, "flushes", total(counters.flushes, counters.flush_ns));
  print_line(out, "discards",
             total(counters.discards, counters.discarded_bytes, counters.discard_ns));
  print_line(out, "errors", fmt::format("{}", counters.errors));
  print_line(out, "unsupported", fmt::format("{}", counters.unsupported));
  print_line(out, "in flight", fmt::format("{}", counters.in_flight));
  print_line(out, "held", fmt::format("{}", counters.held));
  print_line(out, "pauses", fmt::format("{}", counters.pauses));
  print_line(out, "retries", fmt::format("{}", counters.retries));
  print_line(out, "given up", fmt::format("{}", counters.given_up));
  print_line(out, "wakeups", fmt::format("{}", counters.wakeups));
  print_line(out, "notifications", fmt::format("{}", counters.notifications));
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // A number that would be rounded to 1024.0 is shown as 1.0 of the next unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

Table list_table(std::span<const DiskReport> disks) {
  Table table({{"DISK"}, {"KIND"}, {"MODE"}, {"FORMAT"}, {"STATE"}, {"PATH"}});
  for (const DiskReport& disk : disks) {
    std::string place = or_dash(disk.path);
    if (!disk.reason.empty()) place += ": " + disk.reason;
    table.add({{disk.disk},
               {disk.kind},
               {or_dash(disk.mode)},
               {or_dash(disk.format)},
               {state_of(disk), colour_of(disk.state)},
               {place}});
  }
  return table;
}

void print_disk(const DiskReport& disk, std::ostream& out) {
  print_line(out, "disk", disk.disk);
  print_line(out, "domain", fmt::format("{}", disk.domain));
  print_line(out, "device", fmt::format("{}", disk.device));
  print_line(out, "kind", disk.kind);
  print_line(out, "vdev", disk.vdev);
  print_line(out, "mode", disk.mode);
  print_line(out, "format", disk.format);
  print_line(out, "path", disk.path);
  print_line(out, "size",
             fmt::format("{} ({} bytes)", human_bytes(disk.size_bytes), disk.size_bytes));
  print_line(out, "state", state_of(disk));
  if (disk.paused_since != 0) {
    print_line(out, "paused since", fmt::format("{:%F %T}", fmt::localtime(disk.paused_since)));
  }
  if (!disk.reason.empty()) print_line(out, "reason", disk.reason);
  for (const std::string& notice : disk.notices) print_line(out, "notice", notice);
  print_line(out, "backend state", bus_state(disk.backend_state));
  print_line(out, "frontend state", bus_state(disk.frontend_state));
  print_line(out, "protocol", disk.protocol);
  print_line(out, "queues", fmt::format("{}", disk.queues));
  print_line(out, "ring pages", fmt::format("{}", disk.ring_pages));
  if (!disk.workers.empty()) {
    print_line(out, "workers", fmt::format("{}", fmt::join(disk.workers, ", ")));
  }
  print_policy(disk, out);
  print_counters(disk.counters, out);
  const LastError& last = disk.last_error;
  if (!last.operation.empty()) {
    print_line(out, "last error",
               fmt::format("{} at byte {}: {} ({}), {}", last.operation, last.offset, last.message,
                           last.error, last.time));
  }
}

void print_policy(const DiskReport& disk, std::ostream& out) {
  print_line(out, "on no space", disk.on_no_space);
  print_line(out, "on I/O error", disk.on_io_error);
  print_line(
      out, "pause limit",
      disk.pause_limit_seconds == 0 ? "none" : fmt::format("{} s", disk.pause_limit_seconds));
}

Table stats_table(std::span<const DiskSample> samples) {
  constexpr auto kRight = Table::Align::right;
  Table table({{"DISK"},
               {"STATE"},
               {"READ/S", kRight},
               {"MB/S", kRight},
               {"US", kRight},
               {"WRITE/S", kRight},
               {"MB/S", kRight},
               {"US", kRight},
               {"FLUSH/S", kRight},
               {"US", kRight},
               {"IN FLIGHT", kRight},
               {"READS", kRight},
               {"READ", kRight},
               {"WRITES", kRight},
               {"WRITTEN", kRight},
               {"FLUSHES", kRight},
               {"ERRORS", kRight}});
  for (const auto& [disk, rates] : samples) {
    std::vector<Cell> row = {{disk.disk}, {state_of(disk), colour_of(disk.state)}};
    for (const OperationRate* rate : {&rates.reads, &rates.writes}) {
      row.push_back({fmt::format("{:.0f}", rate->per_second)});
      row.push_back({fmt::format("{:.1f}", rate->bytes_per_second / kMegabyte)});
      row.push_back({latency(*rate)});
    }
    row.push_back({fmt::format("{:.0f}", rates.flushes.per_second)});
    row.push_back({latency(rates.flushes)});
    const DiskCounters& counters = disk.counters;
    row.push_back({fmt::format("{}", counters.in_flight)});
    row.push_back({fmt::format("{}", counters.reads)});
    row.push_back({human_bytes(counters.read_bytes)});
    row.push_back({fmt::format("{}", counters.writes)});
    row.push_back({human_bytes(counters.written_bytes)});
    row.push_back({fmt::format("{}", counters.flushes)});
    row.push_back({fmt::format("{}", counters.errors)});
    table.add(std::move(row));
  }
  return table;
}

}  // namespace tapring
