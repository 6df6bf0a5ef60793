// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Writes to a file that nobody else uses, and may make it longer. Blocks, and throws
/// std::system_error.
class FileWriter {
 public:
  /// `file` must outlive it.
  explicit FileWriter(OpenFile& file) noexcept : file_(file) {}
  virtual ~FileWriter() = default;
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Offset and length are multiples of 512.
  virtual void write(uint64_t offset, std::span<const std::byte> bytes);

  /// Makes everything durable that was written.
  virtual void sync();

 private:
  OpenFile& file_;
};

}  // namespace tapring::qcow2
