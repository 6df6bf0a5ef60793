// SPDX-License-Identifier: MIT
// One vbd's state machine (xen/include/public/io/blkif.h, "STARTUP"; docs/architecture.md draws
// it). Everything here runs on the control thread; what may block is done in the background, what
// touches a ring on the disk's workers, and both come back by Executor::post.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/disk_spec.h"
#include "daemon/datapath/disk_faults.h"
#include "daemon/datapath/disk_pause.h"
#include "daemon/datapath/error_policy.h"
#include "daemon/datapath/multi_queue_disk.h"
#include "daemon/datapath/workers.h"
#include "daemon/host/background.h"
#include "daemon/host/blkback.h"
#include "daemon/host/log.h"
#include "daemon/host/timer.h"
#include "daemon/host/witness_store.h"
#include "daemon/vbd/open_disk.h"
#include "daemon/vbd/report.h"
#include "daemon/vbd/vbd_node.h"
#include "daemon/xenstore/vbd_name.h"
#include "ring/open_file.h"
#include "ring/unique_fd.h"

namespace tapring {

class Device;

/// What all devices work with. Outlives them.
struct DeviceContext {
  Xenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  const Blkback& blkback;
  Workers& workers;
  JournalStore& journals;
  WitnessStore& witnesses;
  LogLimit& log_limit;
  DomainId backend_domain = 0;
  TransportOffer offer;
  DiskOpener open_disk;
  ErrorPolicy errors;                            ///< of disks of which nothing else is said
  std::chrono::milliseconds lock_wait;  ///< ServerSettings'
  PlainLines plain_lines = PlainLines::take;
  /// Another disk of this tapringd that has the file open; nullptr if there is none.
  std::function<const Device*(const FileId& file, const Device& but)> user_of;
  /// The disk that is_twin_of() this one; nullptr if there is none.
  std::function<const Device*(const Device& disk)> twin_of;
  std::function<void(const VbdName&)> finished;  ///< called once finished(); may not destroy it
  uint32_t max_disks = 0;
  std::function<bool()> has_room;  ///< whether fewer devices than that are ours
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(DeviceContext& context, const VbdName& name);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  /// Reads what the toolstack wrote when it made the node, if that is not known yet. False where
  /// there is nothing to advance().
  bool learn_spec();

  /// Reads what is in xenstore and does what follows from it. Right at any time, any number of
  /// times; does nothing while something it began is under way, which goes on by itself.
  void advance();

  /// Whether a change at this path, in the backend's directory, calls for advance().
  bool concerns(std::string_view path) const { return !spec_known_ || node_.concerns(path); }

  /// Whether the path is that of a key that the toolstack wrote: then spec_wrote().
  bool is_of_spec(std::string_view path) const { return node_.is_of_spec(path); }

  /// One of them came after we had looked. Then advance().
  void spec_wrote() noexcept { spec_moved_ = true; }

  /// The frontend's state was written, perhaps with what it was before. Then advance().
  void frontend_wrote() noexcept { frontend_moved_ = true; }

  /// Tells the guest if others have made the image larger.
  void check_size();

  /// Whether the path is that of a key of our policy: then policy_wrote().
  bool is_policy(std::string_view path) const { return node_.is_policy(path); }

  /// A key of our policy was written, or may have been. Then advance().
  void policy_wrote() noexcept { policy_moved_ = true; }

  // Both say why not, or nothing.

  /// Writes these fields of the policy to xenstore, where the next tapringd finds them.
  std::string set_policy(const PolicyWords& words);

  /// Tries the requests that are held.
  std::string resume();

  /// Nothing will be heard of the frontend again, whatever its keys say.
  void frontend_died();

  /// xenstored has lost the node: a disk that is connected is served on without it, which is true,
  /// until it is there again with its frontend.
  bool outlive_node();

  /// Answers what is in flight and lets go of the disk, leaving the guest waiting for the next
  /// tapringd.
  void shut_down();

  /// Served by us, or to be; it may hold an image, rings, descriptors.
  bool is_ours() const noexcept {
    return claim_ == Claim::examining || claim_ == Claim::examined || claim_ == Claim::ours ||
           !idle();
  }

  // Each answers why not, or nothing: then it is under way, and report() says what came of it.

  /// Takes the disk from xen-blkback while the guest uses it. Where that does not work the kernel
  /// serves on.
  std::string adopt();

  /// Gives it to xen-blkback, likewise.
  std::string release();

  /// Nothing is held: no ring, no image.
  bool idle() const noexcept {
    return link_ == Link::none &&
           (image_stage_ == ImageStage::none || image_stage_ == ImageStage::locked_out);
  }

  bool uses(const FileId& file) const;

  /// Both are one disk: a guest's, and that of the stub domain that runs its device model. libxl
  /// gives both the same device number and params.
  bool is_twin_of(const Device& other) const;

  /// The node is gone, nothing is held, and nobody in the background moves the disk between
  /// xen-blkback and us: forget the device.
  bool finished() const noexcept {
    return gone_ && idle() && claim_ != Claim::examining && !letting_go_;
  }

  const VbdName& name() const noexcept { return name_; }
  DiskReport report() const;

 private:
  /// Whose the node is.
  enum class Claim : uint8_t { unknown, examining, examined, ours, kernels, others, refused };
  /// `locked_out`: not open, as another holds its lock, and tried again soon. `unwanted`: still
  /// opening, and to be closed as soon as it is open.
  enum class ImageStage : uint8_t { none, opening, locked_out, open, unwanted, releasing };
  /// Between xen-blkback and us.
  enum class Handover : uint8_t { none, to_us, to_kernel };
  /// The disk on its workers.
  enum class Link : uint8_t { none, connecting, connected, ending };

  /// Of a node of which it is not known yet whose it is.
  struct Question {
    bool plain = false;         ///< the disk line leaves it open who serves it
    bool from_blkback = false;  ///< which takes each node of its kind
    XenbusState before = XenbusState::missing;  ///< the backend's state
    OpenRequest request;
  };

  struct Examination {
    XenbusState before = XenbusState::missing;  ///< the question's
    bool plain = false;                         ///< likewise
    std::string why_kernels;                    ///< why xen-blkback keeps it, if it does
    bool denied = false;                        ///< then: we may not open it
    Error unbinding;
  };

  /// What came of opening the image.
  struct Opened {
    uint64_t attempt = 0;
    Purpose purpose = Purpose::service;
    MultiQueueDisk::Images images;  ///< none after a check
    Geometry geometry;
    std::vector<std::string> notices;
    std::vector<FileId> files;
    bool block_device = false;
    std::chrono::milliseconds took{0};
    Error loss;                       ///< of earlier writes: WitnessStore::ask()
    std::vector<UniqueFd> witnesses;  ///< to be kept where there were none to ask
    std::optional<FileInUse> in_use;  ///< then nothing else is there
    bool needs_mending = false;       ///< likewise
    std::string error;                ///< likewise
  };

  /// Somebody else who has the lock of the image.
  struct LockRival {
    std::string words;
    bool leaves;  ///< by itself, however long that takes: a guest that migrates takes it along
  };

  bool read_spec();
  void read_spec_again();
  bool awaits_script();
  void await_key(const std::string& key);
  void proceed();
  bool moved(bool written);
  bool is_another_life(const VbdState& now) const;
  void vanish();
  void stop_watching();
  void claim(const VbdState& now);
  void have_no_room();
  void examine(const VbdState& now, bool plain);
  static Examination examine_aside(const Question& question, const DiskOpener& open,
                                   const Blkback& blkback);
  void examined(const Examination& result);
  void settle_claim();
  void give_back();
  /// In the background; refuses the disk where that is not possible.
  void run_in_background(const std::string& line, Work work, std::size_t most = SIZE_MAX);
  void leave_to_kernel(std::string reason);

  void take_from_kernel();
  void taken_from_kernel(Error error);
  void stay_with_kernel(const std::string& error);
  void connect_again(const std::string& error);
  std::string why_not_the_kernels() const;
  std::string have_pages_returned();
  void watch_kernel_connect();
  void drained_for_kernel();
  void give_to_kernel(const std::string& error);
  void keep_from_kernel(const std::string& error);
  void given_to_kernel(Error failure, const std::string& error);
  void fail_handover(std::string reason);

  void step(const VbdState& now);
  bool must_close(const VbdState& now) const;
  void close(const VbdState& now);
  void stay_refused(const VbdState& now);
  void try_again_later();
  void try_again();
  void begin(const VbdState& now);

  void check_image();
  void open_image();
  void try_opening(Purpose purpose, bool may_mend = false);
  std::string name_for_lock() const;
  bool is_of_same_machine(const Device& other) const;
  bool is_getting_image() const;
  bool has_serving_twin() const;
  bool share_with_twin(Purpose purpose);
  Opened opened_by(const Device& twin, Purpose purpose) const;
  void wait_for_twin(const Device& twin, Purpose purpose);
  static constexpr const char* kBlkbackLine = "xen-blkback";
  std::size_t loops_wanted() const;
  static Opened open_in_background(const DiskOpener& open, const OpenRequest& request,
                                   std::size_t loops, WitnessStore& witnesses);
  static void ask_witnesses(WitnessStore& store, const std::string& disk, const OpenImage& image,
                            Opened& opened);
  bool let_witnesses_go();
  void opening_ended(Opened opened);
  void image_opened(Opened opened);
  void image_checked();
  /// A tapringd before us connected the disk, and its guest waits.
  bool is_taken_up() const noexcept {
    return last_.backend >= XenbusState::connected && handover_ != Handover::to_us;
  }
  void locked_out(const FileInUse& conflict, Purpose purpose);
  LockRival rival_for(const FileInUse& conflict) const;
  void begin_waiting_for_lock();
  void wait_for_lock(Purpose purpose);
  void release_image();
  void image_released();
  void await_opening();
  void give_up_opening(uint64_t attempt);
  void given_up_ended(MultiQueueDisk::Images images);
  void close_in_background(MultiQueueDisk::Images images, Work then);
  bool hotplug_done();
  void connect(const VbdState& now);
  RingOrigin ring_origin(bool again) const;
  void attach(const DiskOptions& options);
  void attached(const std::string& error);
  void serve();
  bool tell_connected();
  void measured(const Result<uint64_t>& sectors);
  std::shared_ptr<DiskFaults> make_faults();
  void hear_of_faults();
  bool tell_faults();
  void watch_faults(const std::shared_ptr<DiskFaults>& faults);
  std::shared_ptr<DiskPause> make_pause();
  void read_policy();
  void paused();
  void check_held(const std::shared_ptr<DiskPause>& pause);
  void tell_end_of_pause();
  void end_disk(Disk::Ending ending);
  void disk_ended();

  void refuse(const std::string& reason);
  void tell_verdict();

  /// A guest can cause many lines about its disk: their number is limited.
  template <typename... Args>
  void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    context_.log_limit.log(level, label(), format, std::forward<Args>(args)...);
  }
  std::string label() const;
  std::string state_name() const;
  std::string reason() const;
  bool has_failed() const { return link_ == Link::connected && !faults_->failure().empty(); }
  bool has_errors() const;
  std::string errors_reason() const;
  LastError last_error() const;
  std::string paused_for() const;
  std::string paused_reason() const;
  bool is_paused() const noexcept { return link_ == Link::connected && pause_->held() > 0; }

  DeviceContext& context_;
  const VbdName name_;
  VbdNode node_;
  VbdSpec spec_;
  bool spec_known_ = false;
  bool script_awaited_ = false;   ///< of a node that has none yet
  bool script_given_up_ = false;  ///< it has none
  bool spec_moved_ = false;  ///< in xenstore, since it was read
  bool watching_ = false;
  DiskSpec disk_spec_;

  Claim claim_ = Claim::unknown;
  Examination examination_;
  ImageStage image_stage_ = ImageStage::none;
  Link link_ = Link::none;
  Handover handover_ = Handover::none;
  std::string handover_failure_;  ///< of the last one, for who asks when the disk is served again
  std::shared_ptr<const void> pages_returned_;  ///< Blkback::without_persistent_grants()
  unsigned bindings_left_ = 0;  ///< attempts, of a disk that is taken from xen-blkback
  bool gone_ = false;
  bool frontend_dead_ = false;
  bool outlives_node_ = false;
  bool shutting_down_ = false;
  bool measuring_ = false;
  /// A refused disk is tried again when its frontend has written its state and starts anew: it may
  /// have been elsewhere without our seeing it there.
  bool frontend_moved_ = false;
  bool letting_go_ = false;      ///< of the witnesses of its image
  bool will_try_again_ = false;  ///< by a timer
  bool tried_again_ = false;     ///< likewise: what comes of it is to be seen
  std::string reason_;
  std::string verdict_;  ///< not told yet
  VbdState last_;  ///< that was read; what came since is told by an event

  uint64_t open_attempt_ = 0;  ///< results of an earlier one are dropped
  bool opening_given_up_ = false;  ///< one that hangs still, and has a thread
  bool image_checked_ = false;  ///< it can be opened, or will be when its lock is free
  std::string locked_by_;      ///< who the lock of the image is waited for, if it is
  std::chrono::milliseconds lock_pause_{0};   ///< between the last two attempts to open it
  std::chrono::milliseconds lock_wanted_since_{0};
  std::vector<FileId> files_;                 ///< of the image, when it was opened last
  bool block_device_ = false;                 ///< likewise
  MultiQueueDisk::Images images_;
  std::shared_ptr<MultiQueueDisk> shared_;    ///< instead: the twin's, which has the image
  bool shares_ = false;                       ///< the disk that is being connected does
  Error loss_;                                ///< likewise: Opened's
  Geometry geometry_;
  std::vector<std::string> notices_;

  RingSetup rings_;
  RingOrigin origin_;
  bool serving_ = false;  ///< of a connected disk: requests are taken
  bool told_ = false;     ///< of a connected disk: xenstore has its size and features
  ConnectionOffer offered_;
  std::shared_ptr<MultiQueueDisk> disk_;  ///< the last one that was connected, if any was

  std::shared_ptr<DiskFaults> faults_;  ///< of disk_
  bool watching_faults_ = false;        ///< watch_faults() will come
  std::optional<uint64_t> cut_to_bytes_;  ///< of an image that has become smaller than the disk

  ErrorPolicy policy_;
  bool policy_moved_ = false;         ///< in xenstore, since it was read
  std::shared_ptr<DiskPause> pause_;  ///< of disk_
  bool watching_held_ = false;        ///< check_held() will come
  uint64_t given_up_before_ = 0;      ///< this pause
  std::chrono::system_clock::time_point paused_since_;
};

}  // namespace tapring
