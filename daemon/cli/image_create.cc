// SPDX-License-Identifier: MIT
#include "daemon/cli/image_create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "daemon/cli/image_holders.h"
#include "daemon/cli/progress_bar.h"
#include "daemon/cli/unfinished_file.h"
#include "formats/backing_file.h"
#include "formats/format.h"
#include "formats/image_file.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

[[noreturn]] void refuse(const CreateOptions& created, const std::string& reason) {
  throw std::runtime_error(created.path + ": " + reason);
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
    if (!made) check_unused(path);
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
    struct stat status{};
    if (::fstat(fd, &status) == 0 && file_.id == file_id_of(status)) return;
    throw std::runtime_error(path_ + " was replaced by another file meanwhile: try again");
  }

  std::string path_;
  OpenFile file_;
  std::optional<UnfinishedFile> unfinished_;  ///< unless it was there before
};

/// It must be one that the image can be served with.
uint64_t backing_bytes(const CreateOptions& created) {
  ImageOptions options = options_of(created.path);
  options.read_only = true;
  options.locked = false;
  options.purpose = Purpose::probe;
  return open_backing_file(options, {created.path}, created.backing, created.backing_format)
      ->geometry()
      .size_bytes;
}

const Format& format_for(const CreateOptions& options) {
  const Format* format = find_format(options.format);
  if (format == nullptr || format->create == nullptr) {
    refuse(options, "images of the format " + options.format + " are not made here");
  }
  return *format;
}

void create(const CreateOptions& options, std::ostream* terminal) {
  const Format& format = format_for(options);
  if (const auto reason = format.why_not(options)) refuse(options, *reason);
  const bool allocated = options.preallocate == "falloc";
  std::optional<NewFile> data;
  if (!options.data_file.empty()) {
    data.emplace(path_named_by(options_of(options.path), options.data_file), options.force);
    data->resize(options.size_bytes, allocated);
  }
  NewFile file(options.path, options.force);
  {
    ProgressBar bar(terminal, "creating");
    format.create(file.file(), options,
                  [&bar](uint64_t done, uint64_t all) { bar.show(done, all); });
  }
  if (allocated && !data) file.resize(file.file().size_bytes, true);
  if (data) data->keep();
  file.keep();
}

}  // namespace

void create_image(const CreateOptions& typed, std::ostream* terminal) {
  CreateOptions options = typed;
  if (!options.backing.empty()) {
    if (options.backing_format.empty()) {
      refuse(options, "the format of the backing file is not stated");
    }
    const uint64_t below = backing_bytes(options);
    if (options.size_bytes == 0) options.size_bytes = below;
  }
  if (options.data_file_raw && options.data_file.empty()) refuse(options, "there is no data file");
  if (options.size_bytes > uint64_t{INT64_MAX} - kSectorBytes) {
    refuse(options, "such a disk is too large");
  }
  options.size_bytes = (options.size_bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  create(options, terminal);
}

}  // namespace tapring
