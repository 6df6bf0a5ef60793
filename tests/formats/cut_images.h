// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace tapring {

/// An image to be cut again and again, each time as it was made.
class CutImage {
 public:
  /// Of a shape by its number: a chain of two at most, of small disks, already written to. In an
  /// empty directory. `format`: qcow2, qcow or raw.
  CutImage(const std::filesystem::path& directory, const std::string& format, unsigned number,
           sim::Random& random);

  const std::string& format() const noexcept { return format_; }
  const std::string& text() const noexcept { return text_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  const std::vector<std::string>& backing_formats() const noexcept { return backing_formats_; }
  /// Of its disk.
  const std::string& content() const noexcept { return content_; }

  /// All its files are again as they were made.
  void restore() const;

  /// What has changed that no write to the disk may change: a backing file, a snapshot. Empty if
  /// nothing has. Nobody may have the image open.
  std::string spoiled() const;

 private:
  void make_qcow2(unsigned number, sim::Random& random);
  void make_qcow1(unsigned number, sim::Random& random);
  void make_raw(unsigned number, sim::Random& random);

  std::filesystem::path directory_;
  std::filesystem::path made_;  ///< copies of all files
  std::string format_;
  std::string text_;
  std::filesystem::path path_;
  std::vector<std::string> backing_formats_;
  std::string content_;
  std::map<std::string, std::string> snapshots_;  ///< their contents
};

/// As a program with lazy refcounts leaves a qcow2 image of version 3 when it dies: its refcounts
/// are not to be trusted. Does nothing to other images.
void mark_unclean(const std::filesystem::path& path);

}  // namespace tapring
