// SPDX-License-Identifier: MIT
#include "daemon/cli/image_create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/cli/progress_bar.h"
#include "daemon/cli/unfinished_file.h"
#include "formats/backing_file.h"
#include "formats/image_file.h"
#include "formats/qcow2/offline/create.h"

namespace tapring {
namespace {

constexpr uint64_t kSector = 512;

[[noreturn]] void refuse(const ImageOrder& order, const std::string& reason) {
  throw std::runtime_error(order.path + ": " + reason);
}

ImageOptions options_of(const std::string& path) {
  ImageOptions options;
  options.path = path;
  return options;
}

/// A file that is made, empty, and locked; gone again unless it is kept.
class NewFile {
 public:
  NewFile(const std::string& path, bool force) : path_(path) {
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (force ? 0 : O_EXCL);
    constexpr mode_t kMode = 0644;
    const bool made = !std::filesystem::exists(path);
    const UniqueFd fd(::open(path.c_str(), flags | O_NONBLOCK, kMode));
    if (!fd && errno == EEXIST) {
      throw std::runtime_error(path + " is there already (--force overwrites it)");
    }
    if (!fd) throw std::system_error(errno, std::system_category(), "create " + path);
    if (made) unfinished_.emplace(path);
    FileOptions options = image_file(options_of(path), path, Caching::page_cache);
    options.needs_locks = !made;  // nobody else knows a new one
    file_ = open_file(options);
    check_same(fd.get());
    if (file_.block_device) throw std::runtime_error(path + " is no regular file");
    if (::ftruncate(file_.fd.get(), 0) != 0) {
      throw std::system_error(errno, std::system_category(), "ftruncate " + path);
    }
    file_.size_bytes = 0;
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  OpenFile& file() noexcept { return file_; }

  void resize(uint64_t bytes, bool allocated) {
    const auto end = static_cast<off_t>(bytes);
    const bool done = ::ftruncate(file_.fd.get(), end) == 0 &&
                      (!allocated || ::fallocate(file_.fd.get(), 0, 0, end) == 0);
    if (!done) throw std::system_error(errno, std::system_category(), "making room in " + path_);
    file_.size_bytes = bytes;
  }

  void keep() {
    if (::fsync(file_.fd.get()) != 0) {
      throw std::system_error(errno, std::system_category(), "fsync " + path_);
    }
    if (unfinished_) unfinished_->keep();
  }

 private:
  /// It was opened twice, by its path.
  void check_same(int fd) const {
    struct stat status {};
    if (::fstat(fd, &status) == 0 && file_.id == file_id_of(status)) return;
    throw std::runtime_error(path_ + " was replaced by another file meanwhile: try again");
  }

  std::string path_;
  OpenFile file_;
  std::optional<UnfinishedFile> unfinished_;  ///< unless it was there before
};

uint32_t log2_of(const ImageOrder& order, const char* what, uint64_t number) {
  if (!std::has_single_bit(number)) refuse(order, std::string(what) + " is no power of 2");
  return static_cast<uint32_t>(std::countr_zero(number));
}

/// It must be one that the image can be served with.
uint64_t backing_bytes(const ImageOrder& order) {
  ImageOptions options = options_of(order.path);
  options.read_only = true;
  options.locked = false;
  options.purpose = Purpose::probe;
  return open_backing_file(options, {order.path}, order.backing, order.backing_format)
      ->geometry()
      .size_bytes;
}

qcow2::NewImage image_of(const ImageOrder& order, uint64_t size_bytes) {
  using qcow2::Feature;
  qcow2::NewImage image;
  qcow2::Header& header = image.header;
  qcow2::Layout& layout = header.layout;
  layout.version = order.version;
  layout.size_bytes = size_bytes;
  layout.cluster_bits = log2_of(order, "the cluster size", order.cluster_bytes);
  layout.refcount_order = log2_of(order, "the number of refcount bits", order.refcount_bits);
  layout.extended_l2 = order.extended_l2;
  layout.external_data = !order.data_file.empty();
  if (order.compression == "zstd") header.compression = qcow2::Compression::zstd;
  if (layout.external_data) header.incompatible |= Feature::kExternalData;
  if (layout.extended_l2) header.incompatible |= Feature::kExtendedL2;
  if (order.compression == "zstd") header.incompatible |= Feature::kCompressionType;
  if (order.lazy_refcounts) header.compatible |= Feature::kLazyRefcounts;
  if (order.data_file_raw) header.autoclear |= Feature::kRawExternalData;
  if (layout.version < 3 && (header.incompatible | header.compatible | header.autoclear) != 0) {
    refuse(order, "version 2 has no such features");
  }
  if (!order.backing.empty()) {
    header.backing_name = order.backing;
    header.backing_format = order.backing_format;
  }
  if (layout.external_data) header.data_file = order.data_file;
  // A raw data file has each cluster where the disk has it, whether the map says so or not.
  image.preallocated = order.preallocate != "off" || order.data_file_raw;
  return image;
}

void create_qcow2(const ImageOrder& order, uint64_t size_bytes, std::ostream* terminal) {
  const qcow2::NewImage image = image_of(order, size_bytes);
  if (const auto reason = why_not(image)) refuse(order, *reason);
  const bool allocated = order.preallocate == "falloc";
  std::optional<NewFile> data;
  if (!order.data_file.empty()) {
    data.emplace(path_named_by(options_of(order.path), order.data_file), order.force);
    data->resize(size_bytes, allocated);
  }
  NewFile file(order.path, order.force);
  qcow2::FileWriter writer(file.file());
  {
    ProgressBar bar(terminal, "creating");
    write_new_image(file.file(), writer, image,
                    [&bar](uint64_t done, uint64_t all) { bar.show(done, all); });
  }
  if (allocated && !data) file.resize(file.file().size_bytes, true);
  if (data) data->keep();
  file.keep();
}

void create_raw(const ImageOrder& order, uint64_t size_bytes) {
  const bool plain = order.backing.empty() && order.data_file.empty() && !order.extended_l2 &&
                     !order.lazy_refcounts && order.preallocate != "metadata";
  if (!plain) refuse(order, "a raw image has only a size");
  if (size_bytes == 0) refuse(order, "a disk has at least one sector");
  NewFile file(order.path, order.force);
  file.resize(size_bytes, order.preallocate == "falloc");
  file.keep();
}

}  // namespace

void create_image(const ImageOrder& order, std::ostream* terminal) {
  uint64_t bytes = order.size_bytes;
  if (!order.backing.empty()) {
    if (order.backing_format.empty()) refuse(order, "the format of the backing file is not stated");
    const uint64_t below = backing_bytes(order);
    if (bytes == 0) bytes = below;
  }
  if (order.data_file_raw && order.data_file.empty()) refuse(order, "there is no data file");
  if (bytes > INT64_MAX - kSector) refuse(order, "such a disk is too large");
  bytes = (bytes + kSector - 1) / kSector * kSector;
  if (order.format == "raw") {
    create_raw(order, bytes);
  } else {
    create_qcow2(order, bytes, terminal);
  }
}

}  // namespace tapring
