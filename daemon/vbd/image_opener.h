// SPDX-License-Identifier: MIT
// A device's image: opened and closed in the background, as either may hang.
//
// It is opened twice. First it is checked, before the guest's driver is there: what is wrong with
// the image is said while somebody waits for that, and its lock is left to whoever has it until the
// guest comes. Then it is opened with its lock, to be served.
//
// Whoever else holds that lock on this host is waited for as long as the configuration says, then
// the disk is refused: somebody attached an image that is in use. Three are waited for without an
// end, as each goes by itself, and as to refuse would cost a guest its disk:
// - one of another host: the guest migrates to here, and runs there still or did a moment ago;
// - one of a disk of ours whose domain is the same guest: it migrates to the host where it is;
// - any, for a disk that a tapringd before us connected: if that died, its I/O may be under way.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/datapath/multi_queue_disk.h"
#include "daemon/vbd/device_context.h"
#include "daemon/vbd/disk_identity.h"
#include "formats/image.h"
#include "ring/open_file.h"
#include "ring/unique_fd.h"

namespace tapring {

/// What was found out about an image when it was opened last.
struct ImageFacts {
  Geometry geometry;  ///< without the features that the disk line turns off
  std::vector<std::string> notices;
  std::vector<FileId> files;  ///< known once it was opened to be served
  bool block_device = false;  ///< likewise
  Error loss;                 ///< likewise: of earlier writes, see WitnessStore::ask()
};

/// Whoever holds the lock of an image.
struct LockConflict {
  std::string holder;
  bool is_migrating = false;  ///< will release it by itself, however long that takes
};

/// The disk that is_twin_of() the one whose image is opened. Whichever of them connects first has
/// the image open and shares it: a format with a map cannot be opened twice for writing, and its
/// lock rightly refuses that.
struct Twin {
  std::string label;
  /// Will have the image on its workers, or not at all, in a moment.
  bool is_opening = false;
  std::shared_ptr<MultiQueueDisk> disk;  ///< while it is connected
  const ImageFacts& image;
};

class ImageOpener {
 public:
  /// Each is called on the control thread.
  struct Callbacks {
    std::function<void()> checked;  ///< it can be opened, at least as soon as its lock is free
    std::function<void()> opened;
    std::function<void(const std::string& reason)> failed;  ///< to check or open it
    /// It is closed, and so are its witnesses.
    std::function<void()> released;
    /// An opening that hung has ended, which was_given_up().
    std::function<void()> given_up_ended;
    // These ask about the other disks that this tapringd serves.
    std::function<std::optional<Twin>()> twin;
    std::function<LockConflict(const FileInUse&)> lock_conflict;
  };

  ImageOpener(const DeviceScope& device, const DiskIdentity& identity, Callbacks callbacks);
  ImageOpener(const ImageOpener&) = delete;
  ImageOpener& operator=(const ImageOpener&) = delete;

  /// Finds out whether the image can be opened: checked() or failed() follows. `resumed`: a
  /// tapringd before us connected the disk, and its guest waits. Nothing is done unless
  /// is_closed().
  void check(bool resumed);

  /// Opens the image to serve it: opened() or failed() follows. Likewise.
  void open(bool resumed);

  /// Forgets what check() found: the frontend begins anew.
  void forget_check() noexcept { is_checked_ = false; }

  /// Of an image that is open, before make_disk(): what all disks that serve it are to share.
  std::shared_ptr<LostWrites> lost_writes() const;

  /// Of an image that is open: makes the disk that serves it, and closes what that does not need.
  std::shared_ptr<MultiQueueDisk> make_disk(const DiskOptions& options);

  /// That disk could not be connected because the twin, whose image it was to share, has let go of
  /// it meanwhile. The image is to be opened again.
  bool lost_twin();

  /// Closes the image, or what is to be opened as soon as it is: released() follows, unless
  /// is_closed(). State 6 promises that nobody has the files open.
  void release();

  /// Closes the image without a callback, as the process is about to end.
  void abandon();

  /// Closes the witnesses of the image's files. To be called before state 6 is written, which
  /// promises that nobody has the storage open. False while that is under way; then released()
  /// follows.
  bool drop_witnesses();

  /// Others made the image larger, and the disk has grown with it.
  void note_growth(uint64_t bytes) noexcept { facts_.geometry.size_bytes = bytes; }

  bool is_closed() const noexcept { return std::holds_alternative<Closed>(state_); }
  bool is_opening() const noexcept { return std::holds_alternative<Opening>(state_); }
  bool is_open() const noexcept { return std::holds_alternative<Open>(state_); }
  /// To be closed as soon as it is open.
  bool is_cancelled() const noexcept { return std::holds_alternative<Cancelled>(state_); }
  /// release() has begun, and released() is to come.
  bool is_releasing() const noexcept {
    return is_cancelled() || std::holds_alternative<Closing>(state_);
  }
  /// Not open, and not about to be.
  bool is_idle() const noexcept { return is_closed() || std::holds_alternative<Waiting>(state_); }
  bool has_files_open() const noexcept {
    return is_open() || std::holds_alternative<Closing>(state_);
  }
  bool is_checked() const noexcept { return is_checked_; }
  bool is_dropping_witnesses() const noexcept { return dropping_witnesses_; }
  /// An attempt to open the image hangs still, and keeps its thread, though the disk was closed
  /// without waiting for it.
  bool was_given_up() const noexcept { return opening_given_up_; }
  /// Whose lock on the image is waited for, in words; empty if none is.
  std::string lock_conflict() const;
  const ImageFacts& facts() const noexcept { return facts_; }

 private:
  /// Why the image is to be opened, and for how long its lock was waited for.
  struct Goal {
    Purpose purpose = Purpose::service;
    bool resumed = false;
    std::chrono::milliseconds since{0};
    std::chrono::milliseconds pause{0};  ///< between the last two attempts
    std::string lock_conflict{};
  };

  struct Closed {};
  struct Opening {
    Goal goal;
  };
  struct Waiting {  ///< not open, and tried again soon
    Goal goal;
  };
  struct Open {
    MultiQueueDisk::Images images;
    std::shared_ptr<MultiQueueDisk> shared;  ///< instead of images: the twin's, which has them
  };
  struct Cancelled {};  ///< still being opened, to be closed at once
  struct Closing {};
  using State = std::variant<Closed, Opening, Waiting, Open, Cancelled, Closing>;

  /// What came of an attempt.
  struct Opened {
    ImageFacts facts;
    Open image;  ///< nothing after a check
    std::chrono::milliseconds took{0};
    std::vector<UniqueFd> witnesses;  ///< to be kept where there were none to ask
    std::optional<FileInUse> in_use;  ///< then nothing else is there
    bool needs_repair = false;       ///< likewise
    bool control_lost = false;       ///< likewise: there was nobody to ask about its witnesses
    std::string error;                ///< likewise
  };

  void try_opening(Goal goal, bool may_repair = false);
  OpenRequest make_request(const Goal& goal, bool may_repair) const;
  std::size_t loops_wanted(Purpose purpose) const;
  static Opened open_in_background(const DiskOpener& open, const OpenRequest& request,
                                   std::size_t loops, WitnessStore& witnesses);
  static void ask_witnesses(WitnessStore& store, const std::string& disk, const OpenImage& image,
                            Opened& opened);
  void attempt_ended(uint64_t attempt, Opened opened);
  void take_result(Goal goal, Opened opened);
  void take_facts(const Goal& goal, ImageFacts facts);
  void finish_check();
  void fail(const std::string& reason);

  bool share_with_twin(Goal& goal);
  Opened opened_by(const Twin& twin, const Goal& goal) const;
  bool is_read_only() const;

  void wait_for_lock(Goal goal, const FileInUse& in_use);
  void try_again_later(Goal goal);

  void await_opening();
  void give_up_opening(uint64_t attempt);
  void given_up_ended(MultiQueueDisk::Images images);
  void close(MultiQueueDisk::Images images, Work then);
  void released();

  DeviceScope device_;
  const DiskIdentity identity_;
  const Callbacks callbacks_;
  State state_;
  uint64_t attempt_ = 0;  ///< the results of earlier ones are dropped
  bool opening_given_up_ = false;
  bool is_checked_ = false;
  bool shares_ = false;  ///< the disk that was made last is to have its twin's image
  bool dropping_witnesses_ = false;
  ImageFacts facts_;
};

}  // namespace tapring
