// SPDX-License-Identifier: MIT
// The contract between a disk and its format: start here to write a driver.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/file_policy.h"
#include "ring/error.h"
#include "ring/file.h"
#include "ring/loop.h"
#include "ring/open_file.h"
#include "ring/task.h"
#include "ring/unique_fd.h"

namespace tapring {

/// What an image is and offers. It stays the same while the image is open, except that another
/// process may make the image larger.
struct Geometry {
  /// A multiple of 512, and not 0. A backing file may be empty, and a raw one may end anywhere: to
  /// the image above it, what lies past its end is zeros.
  uint64_t size_bytes = 0;
  uint32_t physical_sector_bytes = 512;  ///< what the storage writes at once
  uint32_t discard_granularity = 0;      ///< in bytes; 0: discard() is not for this image
  bool secure_erase = false;             ///< secure_erase() is for this image
  bool read_only = false;
};

/// Where an image says what it finds wrong while it is served: on its loop, from within any call.
class ImageEvents {
 public:
  /// The image is corrupt, and writes to it fail from now on.
  virtual void corrupt(Error how) noexcept = 0;

  /// Something does not work, and no request fails for it. May be said any number of times.
  virtual void warn(const char* what, Error cause) noexcept = 0;

 protected:
  ~ImageEvents() = default;
};

/// An open disk image on one Loop, for that loop's thread.
///
/// The caller keeps every range in multiples of 512 bytes and inside the image, never writes to a
/// read-only one, keeps buffers valid until the task is done, and writes no more after a call has
/// told of a lost write. Requests may overlap in time and finish in any order.
class Image {
 public:
  virtual ~Image() = default;

  /// Fills all of `into`, or fails; then its contents are unspecified.
  virtual Task<Error> read(uint64_t offset, Buffers into) = 0;

  /// Done means readable, not durable: only flush() makes it so.
  virtual Task<Error> write(uint64_t offset, Buffers from) = 0;

  /// Makes durable every write that was done before the call, on whichever loop of the image.
  /// errc::state_not_recoverable: what was written may be lost, and every flush says so from now
  /// on. Any other error: nothing is lost, such as metadata that found no room; ask again.
  virtual Task<Error> flush() = 0;

  /// Lets the storage take the room of this range back, as far as it can; what was given back
  /// reads as zeros. May end with errc::operation_not_supported.
  virtual Task<Error> discard(uint64_t offset, uint64_t bytes) = 0;

  /// Makes what was there unreadable for ever. One call at a time on each ring. A range that covers
  /// only a part of a block of the storage fails with errc::invalid_argument.
  virtual Task<Error> secure_erase(uint64_t /*offset*/, uint64_t /*bytes*/) {
    co_return std::make_error_code(std::errc::operation_not_supported);
  }

  /// The size in bytes, a multiple of 512, that the image has now. From then on its new range may
  /// be used.
  virtual Task<Result<uint64_t>> size() = 0;

  /// Only the object that was given last is told.
  virtual void report_to(std::shared_ptr<ImageEvents> /*events*/) noexcept {}

  /// Releases the files, and their locks if no other loop has the image. The last call, after every
  /// other task is done.
  virtual Task<Error> close() = 0;
};

/// An image that was opened and checked, on its way to the loop that will serve it. Belongs to one
/// thread at a time; to destroy it releases the files, which may block.
class OpenImage {
 public:
  virtual ~OpenImage() = default;
  virtual const Geometry& geometry() const noexcept = 0;

  /// What an administrator may want to know, such as a size that was rounded.
  virtual const std::vector<std::string>& notices() const noexcept = 0;

  /// The files that it has open: whoever finds one in use can then be told by which disk.
  virtual std::vector<FileId> files() const { return {}; }

  /// Bytes of memory that its tables take, and those of the images below it.
  virtual uint64_t table_bytes() const { return 0; }

  /// The same image for one loop more, with the same locks; nullptr where it cannot be served on
  /// several. Blocks.
  virtual std::unique_ptr<OpenImage> share() const { return nullptr; }

  /// An open_witness() of each file that is written to. Blocks.
  virtual std::vector<UniqueFd> witnesses() const { return {}; }

  /// Moves the image to its loop. Called once, on the loop's thread; nothing else follows.
  virtual std::unique_ptr<Image> serve_on(Loop& loop) = 0;
};

/// An image must be repaired before it can be served, which ImageOptions::may_repair forbids.
struct NeedsRepair : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What an image is opened for.
enum class Purpose : uint8_t {
  /// Its lock is taken, then its metadata read.
  service,
  /// To find out whether it can be opened, and whether somebody has its lock. Nothing is locked, so
  /// what is read may be old the next moment: the image is not served.
  probe,
};

struct ImageOptions {
  std::string path;
  bool read_only = false;
  bool locked = true;
  std::optional<uint64_t> fence;  ///< LockRequest's
  Purpose purpose = Purpose::service;
  Audience audience = Audience::operators;
  FilePolicy files;                      ///< which may be opened for it
  std::optional<Namer> named_by{};       ///< the image that names this file
  /// The real paths of the images whose chain it is in; empty unless it is a backing file.
  std::vector<std::string> overlays;
  /// The formats of the backing files, from the top, below images that cannot state them.
  std::vector<std::string> backing_formats;
  uint64_t map_cache_bytes = 0;  ///< for its map, where it has one; 0: as its size suggests
  /// A repair takes memory and time, so the caller bounds how many run at once.
  bool may_repair = true;
  /// Who had it last was killed while it wrote, so that clusters of the file may have leaked.
  bool after_kill = false;
  /// Told how many of how many steps are done, where an image is repaired before it is served.
  std::function<void(uint64_t done, uint64_t all)> repair_progress{};
};

}  // namespace tapring
