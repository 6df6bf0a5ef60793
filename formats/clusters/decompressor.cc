// SPDX-License-Identifier: MIT
#include "formats/clusters/decompressor.h"

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <new>

namespace tapring {

using qcow2::Compression;

namespace {

bool inflate_all(std::span<const std::byte> from, std::span<std::byte> to) noexcept {
  constexpr int kRawDeflate = -15;
  z_stream stream{};
  // zlib does not write to its input, it only lacks the const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(to.data());
  stream.avail_out = static_cast<uInt>(to.size());
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return false;
  const int result = inflate(&stream, Z_FINISH);
  const bool filled = stream.avail_out == 0;
  inflateEnd(&stream);
  // Z_BUF_ERROR: there is no room for more, which nobody asked for.
  return filled && (result == Z_STREAM_END || result == Z_BUF_ERROR);
}

}  // namespace

struct Decompressor::Deflate {
  Deflate() : context(libdeflate_alloc_decompressor()) {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~Deflate() { libdeflate_free_decompressor(context); }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;

  /// libdeflate takes half as long as zlib, but nothing that goes on where `to` ends.
  bool decompress(std::span<const std::byte> from, std::span<std::byte> to) const noexcept {
    std::size_t filled = 0;
    const libdeflate_result result = libdeflate_deflate_decompress(
        context, from.data(), from.size(), to.data(), to.size(), &filled);
    if (result == LIBDEFLATE_SUCCESS && filled == to.size()) return true;
    return inflate_all(from, to);
  }

  libdeflate_decompressor* context;
};

struct Decompressor::Zstd {
  Zstd() : context(ZSTD_createDCtx()) {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~Zstd() { ZSTD_freeDCtx(context); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  /// Frame by frame, each from memory to memory, which takes no window of a size the frame says.
  bool decompress(std::span<const std::byte> from, std::span<std::byte> to) const noexcept {
    while (!to.empty()) {
      const std::size_t frame = ZSTD_findFrameCompressedSize(from.data(), from.size());
      if (ZSTD_isError(frame) != 0) return false;
      const std::size_t done =
          ZSTD_decompressDCtx(context, to.data(), to.size(), from.data(), frame);
      if (ZSTD_isError(done) != 0) return false;
      from = from.subspan(frame);
      to = to.subspan(done);
    }
    return true;
  }

  ZSTD_DCtx* context;
};

Decompressor::Decompressor(Compression compression) {
  if (compression == Compression::zstd) {
    zstd_ = std::make_unique<Zstd>();
  } else {
    deflate_ = std::make_unique<Deflate>();
  }
}

Decompressor::~Decompressor() = default;

bool Decompressor::decompress(std::span<const std::byte> from, std::span<std::byte> to) noexcept {
  return zstd_ ? zstd_->decompress(from, to) : deflate_->decompress(from, to);
}

}  // namespace tapring
