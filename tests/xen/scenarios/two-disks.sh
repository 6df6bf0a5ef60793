#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest destroyed in the middle of its I/O does not disturb dom0's fio on another disk.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

doomed=$(image doomed 64)
other=$(image other 64)

step "two disks, both busy"
daemon_start
guest_boot doomed "tap:aio:$doomed,xvda,w"
guest_run doomed disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
attach_dom0 "tap:aio:$other,xvdb,w" xvdb
guest_start doomed load "$(guest_fio --name=load --rw=randrw --bs=16k --size=32M \
    --runtime=$((120 * patience)) --time_based)"
fio --name=steady --filename=/dev/xvdb --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw \
    --bs=4k-32k --size=48M --runtime=$((25 * patience)) --time_based --verify=crc32c \
    --verify_fatal=1 --verify_backlog=32 --output=/tmp/steady.log &
steady=$!
nap 10
domain=$(xl domid doomed)
expect_served "$domain/xvda" "$doomed"
expect "dom0's fio is still running" test -e "/proc/$steady/exe"

step "destroy"
xl destroy doomed
wait_for 20 "the destroyed guest to be gone" guest_is_gone doomed
expect_released "$doomed"
expect "dom0's fio is still running" test -e "/proc/$steady/exe"
expect_served 0/xvdb "$other"

step "dom0's fio goes on to its end"
wait "$steady" || { cat /tmp/steady.log; die "dom0's fio noticed"; }
grep -E '^ +(READ|WRITE):' /tmp/steady.log
! dmesg | grep -E 'error, dev xvdb|xvdb: response|xvdb disabled' ||
  die "the kernel saw errors on xvdb"
detach xvdb
expect_released "$other"
expect_idle
daemon_stop
