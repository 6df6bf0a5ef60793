#!/bin/bash
# SPDX-License-Identifier: MIT
# The file system below a disk becomes full: its guest waits while another disk is served, and goes
# on when there is room. With the other policy it is told.
#
# seconds: 120
# control: no

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly small=/tmp/small
file_system=$(image small 64)
other=$(image other 32)

fill() { # MEBIBYTES: what is left
    local free
    free=$(($(stat --file-system --format="%a * %S" "$small") >> 20))
    dd if=/dev/zero of="$small/ballast" bs=1M count="$((free - $1))" status=none
}

says_paused() {
    tapring --run-dir "$run_dir" list | grep '^0/xvda' | grep --quiet 'paused: no space'
}

step "a sparse image where there is little room"
mkfs.ext4 -q -F -O ^has_journal -m 0 "$file_system"
mkdir -p "$small"
mount -o loop "$file_system" "$small"
truncate -s 40M "$small/disk.img"
fill 8

step "a guest writes more than there is room for"
daemon_start
attach_dom0 "tap:aio:$small/disk.img,xvda,w" xvda
attach_dom0 "tap:aio:$other,xvdb,w" xvdb
fio --name=full --filename=/dev/xvda --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
    --bs=16k --size=32M --verify=crc32c --verify_fatal=1 --output=/tmp/full.log &
fio=$!
wait_for 30 "the disk to be paused" says_paused
tapring --run-dir "$run_dir" list

step "another disk goes on"
fio_verify /dev/xvdb 16k 4
expect "0/xvda is still paused" is_in_state 0/xvda paused
expect "fio waits" test -e "/proc/$fio/exe"

step "the next tapringd has what the guest waits for"
daemon_stop
daemon_start
wait_for 30 "the disk to be paused again" says_paused
expect "fio still waits" test -e "/proc/$fio/exe"

step "room is made"
rm "$small/ballast"
code=0
wait "$fio" || code=$?
((code == 0)) || { cat /tmp/full.log; die "fio ended with $code"; }
wait_for 5 "the disk to be served again" is_in_state 0/xvda connected
[[ $(list_json | jq '.disks[] | select(.disk == "0/xvda") | .counters.errors') == 0 ]] ||
    die "the guest was told of an error"
expect "a line tells of the pause" grep --quiet "0/xvda: paused: no space" "$daemon_log"
expect "a line tells of its end" grep --quiet "0/xvda: goes on" "$daemon_log"
sum=$(head --bytes=32M /dev/xvda | sha256sum)

step "a guest that is to be told"
fill 1
tapring --run-dir "$run_dir" policy 0/xvda --on-no-space report
! dd if=/dev/urandom of=/dev/xvda bs=1M seek=34 count=6 oflag=direct status=none 2>/dev/null ||
    die "a write without room succeeded"
detach xvda
detach xvdb
expect_idle
daemon_stop
[[ $(head --bytes=32M "$small/disk.img" | sha256sum) == "$sum" ]] ||
    die "the image is not what the guest saw"
umount "$small"
