// SPDX-License-Identifier: MIT
// A device and the witnesses of its image's files: see WitnessStore.
#include <system_error>
#include <utility>

#include "daemon/vbd/device.h"

namespace tapring {

/// In the background: what is known of earlier writes. Witnesses of those to come are kept only
/// when the opening has ended (image_opened()): it may have been given up, and another device of
/// this name may be there.
void Device::ask_witnesses(WitnessStore& store, const std::string& disk, const OpenImage& image,
                           Opened& opened) {
  if (const auto answer = store.ask(disk)) {
    opened.loss = *answer;
  } else {
    opened.witnesses = image.witnesses();
  }
}

/// Before state 6, which promises that nobody has the storage open. False while it is under way;
/// then what was begun is taken up again.
bool Device::let_witnesses_go() {
  if (letting_go_) return false;
  if (!context_.witnesses.keeps(name_for_lock()) || has_serving_twin()) return true;
  letting_go_ = true;
  auto work = [self = shared_from_this(), &control = context_.control,
               &store = context_.witnesses, disk = name_for_lock()] {
    store.remove(disk);
    control.post([self] {
      self->letting_go_ = false;
      self->gone_ ? self->vanish() : self->advance();
    });
  };
  try {
    context_.background.run("witnesses", work);
  } catch (const std::system_error&) {
    work();
  }
  return false;
}

}  // namespace tapring
