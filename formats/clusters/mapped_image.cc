// SPDX-License-Identifier: MIT
#include "formats/clusters/mapped_image.h"

#include <utility>

#include "formats/clusters/buffer_slice.h"
#include "formats/clusters/image_errc.h"
#include "formats/clusters/join_set.h"
#include "ring/sizes.h"

namespace tapring {

namespace {

HostFile host_file(Loop& loop, OpenFile file) {
  const uint64_t end = file.size_bytes;
  return {loop.file(std::move(file)), end};
}

}  // namespace

MappedImage::MappedImage(Loop& loop, OpenedImage opened)
    : layout_(opened.header.layout),
      grace_periods_(loop),
      file_(host_file(loop, std::move(opened.file))),
      backing_bytes_(opened.backing ? opened.backing->geometry().size_bytes : 0),
      tables_(loop, file_, layout_.slice_bytes(), opened.map_cache_bytes, grace_periods_),
      map_(layout_, std::move(opened.l1), tables_),
      compressed_(loop, file_, layout_, opened.header.compression) {
  if (opened.data_file) data_file_ = host_file(loop, std::move(*opened.data_file));
  if (opened.backing) backing_ = opened.backing->serve_on(loop);
  if (!opened.writable) return;
  writer_.emplace(ClusterWriter::Context{loop, opened.header, *this, map_, grace_periods_, file_,
                                         data_file_, backing_bytes_},
                  std::move(*opened.writable));
}

Task<Error> MappedImage::read(uint64_t offset, Buffers into) {
  const uint64_t bytes = bytes_of(into);
  const std::optional<Extent> extent = map_.cached_extent(offset, bytes);
  if (extent && extent->kind == ExtentKind::data && extent->bytes == bytes) {
    return writer_ ? read_data(extent->host, into) : data().read(extent->host, into);
  }
  return read_parts(offset, into);
}

/// `host` is where the map said in this turn of the loop.
Task<Error> MappedImage::read_data(uint64_t host, Buffers into) {
  const GracePeriods::Reader reader(grace_periods_);
  co_return co_await data().read(host, into);
}

Task<Error> MappedImage::read_parts(uint64_t offset, Buffers into) {
  const uint64_t bytes = bytes_of(into);
  JoinSet parts;
  Error error;
  for (uint64_t done = 0; done < bytes && !error;) {
    const Result<Extent> extent = co_await map_.extent(offset + done, bytes - done);
    if (!extent) {
      error = extent.error();
      break;
    }
    parts.add(read_extent(*extent, offset + done, into, done));
    done += extent->bytes;
    while (parts.full()) keep_first(error, co_await parts.join_next());
  }
  while (!parts.empty()) keep_first(error, co_await parts.join_next());
  co_return error;
}

Task<Error> MappedImage::read_extent(Extent extent, uint64_t offset, Buffers into, uint64_t skip) {
  const BufferSlice part(into, skip, extent.bytes);
  switch (extent.kind) {
    case ExtentKind::data:
      co_return co_await read_data(extent.host, part.buffers());
    case ExtentKind::compressed:
      co_return co_await read_compressed(extent.host, offset, part.buffers());
    case ExtentKind::unallocated:
      co_return co_await read_backing(offset, part.buffers());
    case ExtentKind::zero:
      part.fill_zeros();
      co_return Error{};
    case ExtentKind::invalid:
      break;
  }
  co_return ImageErrc::invalid_entry;
}

/// Past the end of the backing file the disk reads as zeros.
Task<Error> MappedImage::read_backing(uint64_t offset, Buffers into) {
  const BufferSlice there = fill_past_end(into, offset, backing_bytes_);
  if (there.buffers().empty()) co_return Error{};
  co_return co_await backing_->read(offset, there.buffers());
}

Task<Error> MappedImage::read_compressed(uint64_t word, uint64_t offset, Buffers into) {
  const GracePeriods::Reader reader(grace_periods_);
  const Result<CompressedClusters::Content> cluster = co_await compressed_.read(word);
  if (!cluster) co_return cluster.error();
  const BufferSlice all(into, 0, bytes_of(into));
  all.copy_from((*cluster)->data() + layout_.in_cluster(offset));
  co_return Error{};
}

Task<Error> MappedImage::write(uint64_t offset, Buffers from) {
  return writer_->write(offset, from);
}

Task<Error> MappedImage::flush() {
  if (!writer_) co_return Error{};
  co_return co_await writer_->flush();
}

Task<Error> MappedImage::discard(uint64_t offset, uint64_t bytes) {
  return writer_->discard(offset, bytes);
}

Task<Result<uint64_t>> MappedImage::size() {
  co_return layout_.size_bytes / kSectorBytes* kSectorBytes;
}

void MappedImage::report_to(std::shared_ptr<ImageEvents> events) noexcept {
  if (writer_) writer_->report_to(std::move(events));
}

/// A lost write outranks any other error.
Task<Error> MappedImage::close() {
  Error worst;
  const auto note = [&worst](Error error) {
    if (!worst || error == std::errc::state_not_recoverable) worst = error;
  };
  if (writer_) note(co_await writer_->finish());
  note(co_await file_.close());
  if (data_file_) note(co_await data_file_->close());
  if (backing_) note(co_await backing_->close());
  co_return worst;
}

}  // namespace tapring
