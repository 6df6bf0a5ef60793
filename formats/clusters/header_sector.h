// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "formats/clusters/aligned_bytes.h"
#include "formats/clusters/table_writer.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/header.h"
#include "ring/waiting.h"

namespace tapring {

/// The sector of the file that has the fields of the header that change while it is in use.
class HeaderSector {
 public:
  HeaderSector(Loop& loop, TableWriter& tables, AlignedBytes bytes)
      : tables_(tables), bytes_(std::move(bytes)), writer_(loop) {}

  template <std::unsigned_integral Number>
  void set(std::size_t at, Number value) noexcept {
    qcow2::store(bytes_.span(), at, value);
  }
  template <std::unsigned_integral Number>
  Number get(std::size_t at) const noexcept {
    return qcow2::load<Number>(bytes_.span(), at);
  }

  /// Makes what was set durable.
  Task<Error> write() {
    RangeLock::Guard guard(writer_, 0, 1);
    co_await guard;
    AlignedBytes copy(bytes_.size());
    std::memcpy(copy.data(), bytes_.data(), bytes_.size());
    const iovec whole = copy.buffer();
    const Error error = co_await tables_.write(MetadataRegions::Table::header, 0, {&whole, 1});
    if (error) co_return error;
    co_return co_await tables_.sync();
  }

 private:
  TableWriter& tables_;
  AlignedBytes bytes_;
  RangeLock writer_;
};

}  // namespace tapring
