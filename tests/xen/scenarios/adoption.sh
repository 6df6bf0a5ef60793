#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks that xen-blkback connected become tapringd's and xen-blkback's again, under loads that check
# what they read: one of dom0 and one of a PV guest, as the kernel negotiated them.
#
# control: no
# seconds: 600

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly rounds=${TAPRING_TIMES:-2}

first=$(image first 32)
second=$(image second 32)

is_the_kernels() { # DISK
    is_in_state "$1" kernel &&
        [[ -e /sys/bus/xen-backend/devices/vbd-${1%/*}-$(devid "${1#*/}")/driver ]]
}

step "attach, without tapringd"
attach_dom0 "tap:aio:$first,xvda,w" xvda
guest_boot anthony "tap:aio:$second,xvda,w"
guest_run anthony disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
domain=$(xl domid anthony)
daemon_start
wait_for 20 "xen-blkback's disks" is_the_kernels 0/xvda
expect "the guest's disk is xen-blkback's" is_the_kernels "$domain/xvda"
dmesg | grep 'blkfront: xvda' || true
guest_run anthony load 10 "$(load /dev/xvda)"
bash -c "$(load /dev/xvda)"
expect_progress

step "to tapringd and back, $rounds times"
for ((i = 0; i < rounds; i++)); do
    for disk in 0/xvda "$domain/xvda"; do
        nap_at_random 1000
        timeout 60 tapring --run-dir "$run_dir" adopt "$disk" || die "adopting $disk failed"
    done
    expect_served 0/xvda "$first"
    expect_served "$domain/xvda" "$second"
    for disk in 0/xvda "$domain/xvda"; do
        nap_at_random 1000
        timeout 60 tapring --run-dir "$run_dir" release "$disk" || die "releasing $disk failed"
        wait_for 10 "xen-blkback" is_the_kernels "$disk"
    done
done
expect_progress

step "the last time it is killed, and started again"
for disk in 0/xvda "$domain/xvda"; do
    timeout 60 tapring --run-dir "$run_dir" adopt "$disk" || die "adopting $disk failed"
done
kill -KILL "$daemon"
wait_for 10 "its end" is_gone "/proc/$daemon/exe"
daemon_start
wait_for 20 "the first disk" is_listed 0/xvda connected "$first"
wait_for 20 "the second disk" is_listed "$domain/xvda" connected "$second"
expect_progress

step "the end of the load in dom0"
bash -c "$(end_of_load)" || die "the load in dom0 failed"
step "the end of the load in the guest"
guest_run anthony end 120 "$(end_of_load)"
grep -a 'fio ran' "$console_logs/guest-anthony.log"
! dmesg | grep -E 'blkfront|xvda' | grep -iE 'error|wrong|disabled for' || die "blkfront complains"

step "detach"
detach xvda
expect_released "$first"
guest_start anthony off 'sync; poweroff -f'
wait_for 40 "anthony to be gone" guest_is_gone anthony
wait_for 10 "the last disk to be forgotten" lists_nothing
expect_released "$second"
daemon_stop
