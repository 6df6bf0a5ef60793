#!/bin/bash
# SPDX-License-Identifier: MIT
# Storage that does not answer holds up its own disks only: while an image of it is opened, while it
# is served, and when all processes are killed meanwhile.
#
# The file system lies on a suspended device-mapper device: whoever waits for it sleeps in the
# kernel, unkillable, as on a dead NFS server.
#
# control: no

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

store=$(image store 64)
quick=$(image quick 16)
random_file /tmp/reference 2
export DM_DISABLE_UDEV=1

make_dead_file_system() {
    loop=$(losetup --find --show "$store")
    dmsetup create dead --table "0 $(blockdev --getsz "$loop") linear $loop 0"
    mkfs.ext4 -q -F /dev/mapper/dead
    mkdir -p /mnt/dead
    mount /dev/mapper/dead /mnt/dead
    truncate -s 16M /mnt/dead/slow.img
    # Nothing of it may be cached when it dies.
    umount /mnt/dead
    mount /dev/mapper/dead /mnt/dead
    dmsetup suspend --noflush --nolockfs dead
}

kill_all() {
    local lock
    kill -KILL "$daemon"
    for lock in "$run_dir"/workers/*.lock; do kill -KILL "$(<"$lock")"; done
    wait "$daemon" || true
    daemon=
}

iops_of_quick() { # TAG
    fio --name="$1" --filename=/dev/xvdb --rw=randwrite --bs=4k --direct=1 --ioengine=libaio \
        --iodepth=8 --time_based --runtime=4 --minimal | awk -F';' '{ print $49 }'
}

bury_dead_file_system() {
    umount /mnt/dead
    dmsetup remove dead
    losetup --detach "$loop"
}

daemon_start --isolation storage
make_dead_file_system

step "an image that does not answer"
xl block-attach 0 "script=block-tapring,vdev=xvda,access=rw,target=aio:/mnt/dead/slow.img" \
    >/tmp/slow.log 2>&1 &
slow=$!
nap 5

step "another disk meanwhile"
started=$EPOCHREALTIME
attach_dom0 "script=block-tapring,vdev=xvdb,access=rw,target=aio:$quick" xvdb
took=$(((${EPOCHREALTIME/./} - ${started/./}) / 1000))
step "attached after $took ms"
((took < 10000 * patience)) || die "the dead file system holds it up"
expect "the dead image is still waited for" test -e "/proc/$slow/exe"
dd if=/tmp/reference of=/dev/xvdb bs=256k oflag=direct conv=fsync status=none
expect "the quick disk is listed" is_listed 0/xvdb connected "$quick"
! is_listed 0/xvda connected /mnt/dead/slow.img || die "the dead image cannot be connected"

step "the file system answers again"
dmsetup resume dead
wait "$slow" || true
wait_for 20 "the slow disk" has_size /dev/xvda
expect "the slow disk is listed" is_listed 0/xvda connected /mnt/dead/slow.img

step "it stops answering under load"
before=$(iops_of_quick before)
bash -c "$(load /dev/xvda)"
expect_progress
dmsetup suspend --noflush --nolockfs dead
during=$(iops_of_quick during)
step "the quick disk: $before writes a second before, $during during that"
((during > 0)) || die "the dead file system holds up the quick disk"

step "all processes are killed meanwhile"
kill_all
started=$EPOCHREALTIME
daemon_start --isolation storage
wait_for 10 "the quick disk" is_in_state 0/xvdb connected
step "served after $(((${EPOCHREALTIME/./} - ${started/./}) / 1000)) ms"
step "the quick disk: $(iops_of_quick after) writes a second"
tapring --run-dir "$run_dir" list
! is_in_state 0/xvda connected || die "the slow disk cannot be connected"

step "and answers again"
dmsetup resume dead
wait_for 20 "the slow disk" is_in_state 0/xvda connected
expect_progress
bash -c "$(end_of_load)" || die "the load failed"
detach xvdb
expect_released "$quick"
detach xvda
expect_released /mnt/dead/slow.img
bury_dead_file_system
expect_idle
daemon_stop
