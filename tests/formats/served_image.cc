// SPDX-License-Identifier: MIT
#include "tests/formats/served_image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "formats/format.h"

namespace tapring {
namespace {

/// As a worker's buffers are.
class PageMemory {
 public:
  explicit PageMemory(std::size_t bytes)
      : bytes_(bytes),
        memory_(static_cast<char*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096))) {}
  ~PageMemory() { std::free(memory_); }
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;
  iovec whole() const noexcept { return {memory_, bytes_}; }
  char* data() const noexcept { return memory_; }

 private:
  std::size_t bytes_;
  char* memory_;
};

struct Reads {
  std::size_t under_way = 0;
  Error error;
};

Detached read_piece(Image& image, uint64_t offset, char* into, std::size_t bytes, Reads& reads) {
  ++reads.under_way;
  const PageMemory memory(bytes);
  const iovec whole = memory.whole();
  const Error error = co_await image.read(offset, {&whole, 1});
  std::memcpy(into, memory.data(), bytes);
  if (error) reads.error = error;
  --reads.under_way;
}

}  // namespace

ServedImage::ServedImage(uint64_t seed, const std::string& format, const ImageOptions& options)
    : world_(seed), format_(format) {
  open(options);
}

ServedImage::~ServedImage() = default;

void ServedImage::open(const ImageOptions& options) {
  std::unique_ptr<OpenImage> open = find_format(format_)->open(options);
  geometry_ = open->geometry();
  loop_ = std::make_unique<sim::SimLoop>(world_, storage_);
  image_ = open->serve_on(*loop_);
}

void ServedImage::open_again(const ImageOptions& options) {
  image_.reset();
  loop_.reset();
  open(options);
}

void ServedImage::run(const std::function<Detached(Image&, std::function<void()>)>& act) {
  bool done = false;
  loop_->post([&] { act(*image_, [&done] { done = true; }); });
  if (!world_.run_until([&] { return done; })) throw std::runtime_error("the image hangs");
}

Error ServedImage::result_of(const std::function<Task<Error>(Image&)>& act) {
  Error result;
  run([&](Image& image, std::function<void()> done) -> Detached {
    result = co_await act(image);
    done();
  });
  return result;
}

Error ServedImage::read(uint64_t offset, std::string& into) {
  const PageMemory memory(into.size());
  const iovec whole = memory.whole();
  const Error error = result_of([&](Image& image) { return image.read(offset, {&whole, 1}); });
  std::memcpy(into.data(), memory.data(), into.size());
  return error;
}

Error ServedImage::write(uint64_t offset, std::string from) {
  const PageMemory memory(from.size());
  std::memcpy(memory.data(), from.data(), from.size());
  const iovec whole = memory.whole();
  return result_of([&](Image& image) { return image.write(offset, {&whole, 1}); });
}

Error ServedImage::flush() {
  return result_of([](Image& image) { return image.flush(); });
}

Error ServedImage::discard(uint64_t offset, uint64_t bytes) {
  return result_of([&](Image& image) { return image.discard(offset, bytes); });
}

Error ServedImage::close() {
  return result_of([](Image& image) { return image.close(); });
}

Result<std::string> ServedImage::content() {
  constexpr uint64_t kSector = 512;
  std::string content(geometry_.size_bytes, '\0');
  Reads reads;
  for (uint64_t at = 0; at < content.size();) {
    const uint64_t most = std::min<uint64_t>((content.size() - at) / kSector, 512);
    const uint64_t bytes = world_.random().between(1, most) * kSector;
    loop_->post([&, at, bytes] { read_piece(*image_, at, content.data() + at, bytes, reads); });
    at += bytes;
    if (world_.random().chance(0.1)) world_.run_until_idle();
  }
  world_.run_until_idle();
  if (reads.under_way > 0) throw std::runtime_error("the image hangs");
  if (reads.error) return std::unexpected(reads.error);
  return content;
}

}  // namespace tapring
