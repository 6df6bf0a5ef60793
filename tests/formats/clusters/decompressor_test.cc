// SPDX-License-Identifier: MIT
// What is filled by a compressed cluster, and what is refused as damaged, as QEMU has it.
#include "formats/clusters/decompressor.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tapring::qcow2 {
namespace {

std::string text_of(std::size_t bytes) {
  std::string text;
  for (unsigned i = 0; text.size() < bytes; ++i) text += std::to_string(i * i) + ' ';
  text.resize(bytes);
  return text;
}

/// Raw deflate, with the window that QEMU compresses with.
std::string deflated(std::string text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string packed(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string packed_by_zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

class DecompressorTest : public testing::TestWithParam<Compression> {
 protected:
  static constexpr std::size_t kCluster = 65536;

  static std::string pack(const std::string& text) {
    return GetParam() == Compression::zstd ? packed_by_zstd(text) : deflated(text);
  }

  bool unpacks(const std::string& packed) {
    return decompressor_.decompress(std::as_bytes(std::span(packed)),
                                    std::as_writable_bytes(std::span(into_)));
  }

  Decompressor decompressor_{GetParam()};
  std::string into_ = std::string(kCluster, '\0');
};

INSTANTIATE_TEST_SUITE_P(Of, DecompressorTest,
                         testing::Values(Compression::zlib, Compression::zstd));

TEST_P(DecompressorTest, FillsTheClusterWhateverFollowsTheData) {
  const std::string text = text_of(kCluster);
  EXPECT_TRUE(unpacks(pack(text)));
  EXPECT_EQ(into_, text);
  into_.assign(kCluster, '\0');
  EXPECT_TRUE(unpacks(pack(text) + std::string(300, '\xff')));
  EXPECT_EQ(into_, text);
}

TEST_P(DecompressorTest, DataThatFillLessAreDamaged) {
  EXPECT_FALSE(unpacks(pack(text_of(kCluster - 1))));
}

TEST_P(DecompressorTest, DataThatEndTooEarlyAreDamaged) {
  std::string packed = pack(text_of(kCluster));
  packed.resize(packed.size() / 2);
  EXPECT_FALSE(unpacks(packed));
  EXPECT_FALSE(unpacks(""));
}

TEST(Decompressor, AStreamOfZlibMayGoOnWhereTheClusterEnds) {
  constexpr std::size_t kCluster = 4096;
  const std::string text = text_of(3 * kCluster);
  const std::string packed = deflated(text);
  std::string into(kCluster, '\0');
  Decompressor decompressor(Compression::zlib);
  EXPECT_TRUE(decompressor.decompress(std::as_bytes(std::span(packed)),
                                      std::as_writable_bytes(std::span(into))));
  EXPECT_EQ(into, text.substr(0, kCluster));
}

}  // namespace
}  // namespace tapring::qcow2
