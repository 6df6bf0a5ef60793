// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "formats/image.h"
#include "tests/sim/loop.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {

/// An image, opened by its driver, on a loop of the simulated world. Close it before the end.
class ServedImage {
 public:
  ServedImage(uint64_t seed, const std::string& format, const ImageOptions& options);
  ~ServedImage();

  const Geometry& geometry() const noexcept { return geometry_; }
  Image& image() noexcept { return *image_; }
  sim::SimWorld& world() noexcept { return world_; }
  sim::SimStorage& storage() noexcept { return storage_; }
  Loop& loop() noexcept { return *loop_; }

  /// The process is killed. Close the image then, too.
  void die() { loop_->die(); }

  /// By another process, after close(). Throws as a driver does.
  void open_again(const ImageOptions& options);

  /// Begins `act` in a turn of the loop; it is to end by calling what it is given.
  void run(const std::function<Detached(Image&, std::function<void()> done)>& act);

  Error read(uint64_t offset, std::string& into);
  Error write(uint64_t offset, std::string from);
  Error flush();
  Error discard(uint64_t offset, uint64_t bytes);
  Error close();

  /// The whole disk, read in pieces of chance, many at once, with many orders of completion.
  Result<std::string> content();

 private:
  void open(const ImageOptions& options);
  Error result_of(const std::function<Task<Error>(Image&)>& act);

  sim::SimWorld world_;
  sim::SimStorage storage_{world_};
  std::string format_;
  std::unique_ptr<sim::SimLoop> loop_;
  Geometry geometry_;
  std::unique_ptr<Image> image_;
};

}  // namespace tapring
