// SPDX-License-Identifier: MIT
#include "formats/raw.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/durability.h"
#include "formats/image_file.h"
#include "formats/signature.h"
#include "ring/direct_io.h"
#include "ring/open_file.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

class RawImage final : public Image {
 public:
  explicit RawImage(std::unique_ptr<File> file) noexcept : file_(std::move(file)) {}

  Task<Error> read(uint64_t offset, Buffers into) override { return file_->read(offset, into); }
  Task<Error> write(uint64_t offset, Buffers from) override {
    durability_.note_write();
    return file_->write(offset, from);
  }
  Task<Error> flush() override { return durability_.sync(*file_); }
  Task<Error> discard(uint64_t offset, uint64_t bytes) override {
    return file_->discard(offset, bytes);
  }
  Task<Error> secure_erase(uint64_t offset, uint64_t bytes) override {
    return file_->secure_erase(offset, bytes);
  }
  Task<Result<uint64_t>> size() override {
    const Result<uint64_t> bytes = co_await file_->size();
    if (!bytes) co_return bytes;
    co_return *bytes / kSectorBytes* kSectorBytes;
  }
  Task<Error> close() override { return durability_.close(*file_); }

 private:
  std::unique_ptr<File> file_;
  Durability durability_;
};

class OpenRawImage final : public OpenImage {
 public:
  OpenRawImage(OpenFile file, const ImageOptions& options)
      : file_(std::move(file)),
        geometry_{file_.size_bytes / kSectorBytes * kSectorBytes, file_.physical_block_bytes,
                  file_.discard_granularity, file_.secure_erase, options.read_only},
        notices_(std::move(file_.notices)) {
    const bool is_backing = !options.overlays.empty();
    if (is_backing) geometry_.size_bytes = file_.size_bytes;
    if (geometry_.size_bytes == 0 && !is_backing) {
      throw std::system_error(
          EINVAL, std::system_category(),
          file_.path + " is empty (give it a size: truncate -s 10G " + file_.path + ")");
    }
    // A guest that encrypts its whole disk is nothing to tell each time.
    if (const auto format = format_by_signature(file_); format && *format != "luks") {
      notices_.push_back(file_.path + " looks like " + *format + ", and is served as it is: raw");
    }
    if (geometry_.size_bytes != file_.size_bytes) {
      notices_.push_back("its size of " + std::to_string(file_.size_bytes) +
                         " bytes is no multiple of 512: the last " +
                         std::to_string(file_.size_bytes - geometry_.size_bytes) +
                         " are not part of the disk");
    }
  }

  OpenRawImage(OpenFile file, const Geometry& geometry)
      : file_(std::move(file)), geometry_(geometry) {}

  const Geometry& geometry() const noexcept override { return geometry_; }
  const std::vector<std::string>& notices() const noexcept override { return notices_; }

  std::vector<FileId> files() const override { return {file_.id}; }

  /// Not where blocks of the storage are larger than a sector: writes to parts of one block must
  /// wait for each other, which they can on one loop only.
  std::unique_ptr<OpenImage> share() const override {
    if (file_.dio_align > kSectorBytes) return nullptr;
    std::optional<OpenFile> file = share_file(file_);
    if (!file) return nullptr;
    return std::make_unique<OpenRawImage>(std::move(*file), geometry_);
  }

  std::vector<UniqueFd> witnesses() const override {
    std::vector<UniqueFd> witnesses;
    if (!geometry_.read_only) witnesses.push_back(open_witness(file_));
    return witnesses;
  }

  std::unique_ptr<Image> serve_on(Loop& loop) override {
    return std::make_unique<RawImage>(loop.file(std::move(file_)));
  }

 private:
  OpenFile file_;
  Geometry geometry_;
  std::vector<std::string> notices_;
};

class RawExtents final : public ExtentReader {
 public:
  explicit RawExtents(OpenFile file) : file_(std::move(file)) {}

  uint64_t size_bytes() const noexcept override { return file_.size_bytes; }

  Extent at(uint64_t offset, uint64_t bytes) override {
    const auto seek = [&](int whence) {
      const off_t found = ::lseek(file_.fd.get(), static_cast<off_t>(offset), whence);
      if (found >= 0) return std::min(static_cast<uint64_t>(found) - offset, bytes);
      return whence == SEEK_DATA && errno == ENXIO ? bytes : uint64_t{0};
    };
    if (const uint64_t hole = seek(SEEK_DATA)) return {ExtentKind::zero, hole, offset};
    const uint64_t data = seek(SEEK_HOLE);
    return {ExtentKind::data, data == 0 ? bytes : data, offset};
  }

 private:
  OpenFile file_;
};

std::unique_ptr<OpenImage> open(const ImageOptions& options, Caching caching) {
  OpenFile file = open_file(image_file(options, options.path, caching));
  const bool is_backing = !options.overlays.empty();
  // O_DIRECT does not read a part of a sector.
  if (is_backing && file.direct && file.size_bytes % kSectorBytes != 0) {
    use_page_cache(file, "its size is no multiple of 512");
  }
  return std::make_unique<OpenRawImage>(std::move(file), options);
}

}  // namespace

std::unique_ptr<OpenImage> open_raw(const ImageOptions& options) {
  return open(options, Caching::page_cache);
}

std::unique_ptr<OpenImage> open_aio(const ImageOptions& options) {
  return open(options, Caching::direct);
}

ImageDescription describe_raw(const OpenFile& file) {
  ImageDescription description;
  description.size_bytes = file.size_bytes;
  return description;
}

std::unique_ptr<ExtentReader> read_raw_extents(OpenFile file) {
  return std::make_unique<RawExtents>(std::move(file));
}

std::optional<std::string> why_not_raw(const CreateOptions& options) {
  const bool plain = options.backing.empty() && options.data_file.empty() && !options.extended_l2 &&
                     !options.lazy_refcounts && options.preallocate != "metadata";
  if (!plain) return "a raw image has only a size";
  if (options.size_bytes == 0) return "a disk has at least one sector";
  return std::nullopt;
}

void create_raw(OpenFile& file, const CreateOptions& options, const CreateProgress& /*progress*/) {
  if (::ftruncate(file.fd.get(), static_cast<off_t>(options.size_bytes)) != 0) {
    throw std::system_error(errno, std::system_category(), "making room in " + file.path);
  }
  file.size_bytes = options.size_bytes;
}

}  // namespace tapring
