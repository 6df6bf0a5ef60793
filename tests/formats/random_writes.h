// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tests/formats/served_image.h"
#include "tests/sim/random.h"

namespace tapring {

/// Writes, discards, reads and flushes of chance, many at once, of which no two touch the same
/// sector, but many the same cluster. Changes the disk and `content` alike, and expects that reads
/// find it.
void write_at_random(ServedImage& image, sim::Random& random, std::string& content, int rounds);

}  // namespace tapring
