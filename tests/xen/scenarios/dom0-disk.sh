#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job: the plain tap:aio: line on dom0 with a stock toolstack and xen-blkback loaded.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly line="tap:aio:$images/anthony.img,xvda,w"
anthony=$(image anthony 128)
random_file /tmp/reference 16
mkdir -p /mnt/disk

step "start and attach"
daemon_start
expect "xen-blkback is loaded" test -d /sys/bus/xen-backend/drivers/vbd
attach_dom0 "$line" xvda
expect_served 0/xvda "$anthony"
xl block-list 0
xl block-list 0 | grep -qE "^51712 +0 +0 +4 " || die "xl block-list shows no connected 51712"

step "mkfs, mount, copy, sync"
mkfs.ext4 -q -F /dev/xvda
mount /dev/xvda /mnt/disk
cp /tmp/reference /mnt/disk/reference
sync
umount /mnt/disk

step "remount, compare, fsck"
mount /dev/xvda /mnt/disk
cmp /tmp/reference /mnt/disk/reference
umount /mnt/disk
e2fsck -fn /dev/xvda >/tmp/fsck.log 2>&1 || { cat /tmp/fsck.log; die "fsck"; }

for block in 4k:6 16k:12 128k:32; do
    step "fio verify at ${block%:*}"
    fio_verify /dev/xvda "${block%:*}" "${block#*:}"
done
dd if=/tmp/reference of=/dev/xvda bs=1M oflag=direct conv=fsync status=none

step "detach"
detach xvda
expect "/dev/xvda is gone" is_gone /dev/xvda
expect_released "$anthony"
expect_idle
expect_same /tmp/reference "$anthony"

step "attach again, and read what is there"
attach_dom0 "$line" xvda
expect_same /tmp/reference /dev/xvda
detach xvda
expect_released "$anthony"
expect_idle
daemon_stop
