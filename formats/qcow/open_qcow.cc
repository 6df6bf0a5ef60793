// SPDX-License-Identifier: MIT
#include "formats/qcow/open_qcow.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "formats/backing_file.h"
#include "formats/clusters/blocking_io.h"
#include "formats/clusters/open_mapped_image.h"
#include "formats/image_name.h"
#include "formats/printable.h"
#include "formats/qcow/read_qcow_tables.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring {
namespace qcow {
namespace {

/// All before the end of the L1 table is the header's.
MetadataRegions check_tables(const OpenFile& file, const Header& header,
                             const ClusterMap::L1Table& l1) {
  using Table = MetadataRegions::Table;
  MetadataRegions tables(header.layout);
  tables.add(Table::header, 0, l1.offset + l1.entries.size() * 8);
  l1.entries.for_each([&](uint64_t, qcow2::L1Entry entry) {
    tables.add(Table::l2, entry.table(), header.layout.l2_table_bytes());
  });
  if (const auto reason = tables.settle(file.size_bytes)) reject(file.path, *reason);
  return tables;
}

/// Options for an image, and for the backing file of it.
struct Stated {
  ImageOptions image;
  std::optional<std::string> backing_format;
};

Stated split_options(const ImageOptions& options) {
  Stated stated{options, std::nullopt};
  std::vector<std::string> formats;
  for (;;) {
    const ImageName name = split_image_name(stated.image.path);
    if (name.selector.empty()) break;
    stated.image.path = name.path;
    formats.insert(formats.begin(), name.selector);
  }
  std::vector<std::string>& rest = stated.image.backing_formats;
  if (!formats.empty()) rest = std::move(formats);
  if (rest.empty()) return stated;
  stated.backing_format = rest.front();
  rest.erase(rest.begin());
  return stated;
}

std::unique_ptr<OpenImage> open_backing(const OpenFile& file, const Header& header,
                                        const Stated& stated) {
  const std::optional<std::string> name = read_backing_name(file, header);
  if (!name) return nullptr;
  if (!stated.backing_format) {
    reject(file.path, "the format of its backing file " + escaped(*name) +
                          " is not stated, and guessing it would not be safe (a qcow image has no "
                          "place for it: state it in the disk line, as in qcow:" +
                          file.path + "@raw)");
  }
  return open_backing_file(stated.image, namer_of(file), *name, stated.backing_format);
}

class OpenQcow final : public OpenMappedImage {
 public:
  explicit OpenQcow(const Stated& stated) : OpenMappedImage(open_files(stated)) {
    describe(stated.image);
  }

 private:
  static OpenedImage open_files(const Stated& stated) {
    const bool read_only = stated.image.read_only;
    OpenedImage image;
    image.file = open_host_file(stated.image, stated.image.path);
    if (image.file.block_device && !read_only) {
      reject(image.file.path,
             "is a block device, which has no end for a qcow image to grow at (attach it with mode "
             "r; or qemu-img convert -O qcow2)");
    }
    const Header header = read_header(image.file);
    image.header.layout = header.layout;
    image.l1 = read_l1(image.file, header);
    MetadataRegions tables = check_tables(image.file, header, image.l1);
    if (!read_only) {
      image.writable =
          WritableParts{read_bytes(image.file, 0, kSectorBytes), std::move(tables), std::nullopt};
    }
    image.backing = open_backing(image.file, header, stated);
    return image;
  }
};

}  // namespace
}  // namespace qcow

std::unique_ptr<OpenImage> open_qcow(const ImageOptions& options) {
  const qcow::Stated stated = qcow::split_options(options);
  return std::make_unique<qcow::OpenQcow>(stated);
}

}  // namespace tapring
