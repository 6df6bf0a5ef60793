// SPDX-License-Identifier: MIT
#include "formats/clusters/open_mapped_image.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/mapped_image.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::Layout;

namespace {

/// The whole map of an image of 256 GiB in clusters of 64 KiB; of a larger one a part.
constexpr uint64_t kMaxMapCacheBytes = uint64_t{32} << 20;
constexpr uint64_t kMinMapCacheBytes = uint64_t{256} << 10;
/// For all L1 tables of a chain. The largest takes 32 MiB: a disk of 2 PiB in clusters of 64 KiB.
constexpr uint64_t kMaxTableBytes = uint64_t{64} << 20;

/// The deeper an image is in its chain, the less its map may take: else the caches of a long chain
/// would add up.
uint64_t map_cache_bytes(const ImageOptions& options, const Layout& layout) {
  if (options.map_cache_bytes > 0) return options.map_cache_bytes;
  const uint64_t whole = (layout.size_bytes >> layout.cluster_bits) * layout.l2_entry_bytes();
  const uint64_t most = kMaxMapCacheBytes / (options.overlays.size() + 1);
  return std::clamp(whole + layout.slice_bytes(), kMinMapCacheBytes,
                    std::max(kMinMapCacheBytes, most));
}

}  // namespace

std::vector<FileId> OpenMappedImage::files() const {
  std::vector<FileId> files{image_.file.id};
  if (image_.data_file) files.push_back(image_.data_file->id);
  if (!image_.backing) return files;
  for (const FileId& file : image_.backing->files()) files.push_back(file);
  return files;
}

std::vector<UniqueFd> OpenMappedImage::witnesses() const {
  std::vector<UniqueFd> witnesses;
  if (!image_.writable) return witnesses;
  witnesses.push_back(open_witness(image_.file));
  if (image_.data_file) witnesses.push_back(open_witness(*image_.data_file));
  return witnesses;
}

std::unique_ptr<Image> OpenMappedImage::serve_on(Loop& loop) {
  return std::make_unique<MappedImage>(loop, std::move(image_));
}

void OpenMappedImage::describe(const ImageOptions& options) {
  const uint64_t bytes = image_.header.layout.size_bytes;
  image_.map_cache_bytes = map_cache_bytes(options, image_.header.layout);
  // Where the disk's data are.
  const OpenFile& data = image_.data_file ? *image_.data_file : image_.file;
  geometry_ = {bytes / kSectorBytes * kSectorBytes, data.physical_block_bytes,
               discard_granularity(), false, options.read_only};
  if (geometry_.size_bytes == 0 && options.overlays.empty()) {
    reject(options.path, "is empty (give it a size: qemu-img resize " + options.path + " 10G)");
  }
  table_bytes_ = image_.l1.entries.bytes() + (image_.backing ? image_.backing->table_bytes() : 0);
  check_tables_of_chain(options);
  add_notices(image_.file.notices);
  if (image_.data_file) add_notices(image_.data_file->notices);
  if (image_.backing) add_notices(image_.backing->notices());
  if (geometry_.size_bytes != bytes) {
    notices_.push_back("its size of " + std::to_string(bytes) +
                       " bytes is no multiple of 512: the rest is not part of the disk");
  }
}

void OpenMappedImage::check_tables_of_chain(const ImageOptions& options) const {
  if (table_bytes_ <= kMaxTableBytes) return;
  reject(options.path, "its L1 table and those of the images below it take " +
                           std::to_string(table_bytes_ >> 20) + " MiB, of which " +
                           std::to_string(kMaxTableBytes >> 20) +
                           " are served (qemu-img convert -O qcow2 " + options.path +
                           " COPY makes one image of the chain)");
}

/// 0 where an image cannot discard: version 2 has no zero clusters to hide the backing file with,
/// and without refcounts a cluster cannot be used again.
uint32_t OpenMappedImage::discard_granularity() const noexcept {
  const Layout& layout = image_.header.layout;
  if (!image_.writable || !image_.writable->refcount_table) return 0;
  if (layout.version < 3 && image_.backing) return 0;
  return static_cast<uint32_t>(layout.cluster_bytes());
}

void OpenMappedImage::add_notices(const std::vector<std::string>& notices) {
  notices_.insert(notices_.end(), notices.begin(), notices.end());
}

}  // namespace tapring
