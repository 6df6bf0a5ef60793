// SPDX-License-Identifier: MIT
// What the `tapring` command shows to people, from the daemon's reports.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "daemon/cli/rates.h"
#include "daemon/cli/table.h"
#include "daemon/vbd/report.h"

namespace tapring {

/// "512 B", "1.5 KiB", "10.0 GiB"
std::string human_bytes(uint64_t bytes);

/// One line for each disk.
Table list_table(std::span<const DiskReport> disks);

/// All that is known of one disk, one thing a line.
void print_disk(const DiskReport& disk, std::ostream& out);

/// What becomes of requests that the storage of a disk fails, one thing a line.
void print_policy(const DiskReport& disk, std::ostream& out);

/// A disk as it is now, and what happened on it just before.
struct DiskSample {
  DiskReport disk;
  DiskRates rates;
};

/// One line for each disk: rates, then totals.
Table stats_table(std::span<const DiskSample> samples);

}  // namespace tapring
