// SPDX-License-Identifier: MIT
#include "daemon/cli/image_create.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "daemon/cli/image_holders.h"
#include "daemon/cli/image_info.h"
#include "daemon/cli/progress_bar.h"
#include "daemon/cli/unfinished_file.h"
#include "formats/backing_file.h"
#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/signature.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

[[noreturn]] void refuse(const CreateOptions& created, const std::string& reason) {
  throw std::runtime_error(created.path + ": " + reason);
}

ImageOptions options_of(const std::string& path) {
  ImageOptions options;
  options.path = path;
  options.audience = Audience::shell;
  return options;
}

std::string remedy_for(int error, const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code hidden;
  switch (error) {
    case ENOENT:
      if (directory.empty() || std::filesystem::exists(directory, hidden)) {
        return " (choose another directory)";
      }
      return " (make its directory first: mkdir -p " + directory.string() + ")";
    case EACCES:
    case EPERM:
      return " (choose another directory, or do this as a user who may, such as root)";
    case EROFS:
      return " (choose a directory elsewhere, or remount the file system rw)";
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
      return " (correct the path)";
    default:
      return {};
  }
}

/// Whether there is a file that can be overwritten.
bool find_old(const std::string& path) {
  std::error_code hidden;
  const auto status = std::filesystem::status(path, hidden);
  if (!std::filesystem::exists(status)) return false;
  if (std::filesystem::is_directory(status)) {
    throw std::runtime_error(path + " is a directory (name a file in it)");
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw std::runtime_error(path + " is no regular file");
  }
  return true;
}

/// A file that is made, empty, and locked; gone again unless it is kept.
class NewFile {
 public:
  NewFile(const std::string& path, bool force) : path_(path) {
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (force ? 0 : O_EXCL);
    constexpr mode_t kMode = 0644;
    const bool made = !find_old(path);
    const UniqueFd fd(::open(path.c_str(), flags | O_NONBLOCK, kMode));
    if (!fd && errno == EEXIST) {
      throw std::runtime_error(path + " is there already (--force overwrites it)");
    }
    if (!fd) {
      const int error = errno;
      throw std::system_error(error, std::system_category(),
                              "create " + path + remedy_for(error, path));
    }
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
  if (find_format(created.backing_format) == nullptr) {
    refuse(created, no_driver_for(created.backing_format) + ", and so no such backing file");
  }
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

/// `created`: with what was found for what was not typed.
std::vector<std::string> notices_of(const CreateOptions& typed, const CreateOptions& created) {
  std::vector<std::string> notices;
  if (typed.size_bytes != 0 && typed.size_bytes != created.size_bytes) {
    notices.push_back(fmt::format("{}: the disk has {} bytes: {} are no whole sectors of 512",
                                  typed.path, created.size_bytes, typed.size_bytes));
  }
  const bool is_raw = typed.backing_format == "raw" || typed.backing_format == "aio";
  if (is_raw && !typed.backing.empty()) {
    const std::string backing = path_named_by(options_of(typed.path), typed.backing);
    const std::string looks = format_by_content(backing);
    if (looks != "raw") {
      const std::string remedy =
          find_format(looks) == nullptr ? how_to_serve(looks, backing)
                                        : "if not so meant: --force --backing-format " + looks;
      notices.push_back(
          fmt::format("{}: its backing file {} looks like {}, and is taken as it is: raw ({})",
                      typed.path, backing, looks, remedy));
    }
  }
  return notices;
}

}  // namespace

std::vector<std::string> create_image(const CreateOptions& typed, std::ostream* terminal) {
  CreateOptions options = typed;
  if (!options.backing.empty()) {
    if (options.backing_format.empty()) {
      refuse(options, "the format of the backing file is not stated (--backing-format FORMAT)");
    }
    const uint64_t below = backing_bytes(options);
    if (options.size_bytes == 0) options.size_bytes = below;
  }
  if (options.size_bytes == 0) refuse(options, "--size is missing, as in --size 10G");
  if (options.data_file_raw && options.data_file.empty()) refuse(options, "there is no data file");
  if (options.size_bytes > uint64_t{INT64_MAX} - kSectorBytes) {
    refuse(options, "such a disk is too large");
  }
  options.size_bytes = (options.size_bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  create(options, terminal);
  return notices_of(typed, options);
}

}  // namespace tapring
