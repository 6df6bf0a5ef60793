#!/bin/bash
# SPDX-License-Identifier: MIT
# A PV guest on a tap:aio: disk: boots, works, gets a second disk and loses it, shuts down.
#
# seconds: 240

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

first=$(image first 64)
second=$(image second 32)
random_file /tmp/reference 4

step "boot"
daemon_start
guest_boot anthony "tap:aio:$first,xvda,w"
guest_run anthony disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
domain=$(xl domid anthony)
expect_served "$domain/xvda" "$first"

for job in randread:4k randwrite:4k randread:128k randwrite:128k; do
    step "fio $job"
    guest_run anthony "$job" 60 "$(guest_fio --name="$job" --rw="${job%:*}" --bs="${job#*:}" \
        --size=32M --runtime=4 --time_based)"
done
step "fio verify"
guest_run anthony verify 90 "$(guest_fio --name=verify --rw=randwrite --bs=16k --size=12M \
    --verify=crc32c --verify_fatal=1)"

step "a second disk"
dd if=/tmp/reference of="$second" conv=notrunc status=none
sum=$(sha256sum </tmp/reference)
attach "tap:aio:$second,xvdb,w" anthony
guest_run anthony second 30 'until [ -b /dev/xvdb ]; do sleep 0.2; done'
guest_run anthony read 30 \
    "[ \"\$(dd if=/dev/xvdb bs=1M count=4 | sha256sum)\" = '$sum' ]"
guest_run anthony write 30 \
    'dd if=/dev/xvdb of=/dev/xvdb bs=1M count=4 seek=8 conv=fsync'
expect_served "$domain/xvdb" "$second"
detach xvdb anthony
expect_released "$second"
dd if="$second" of=/tmp/copy bs=1M skip=8 count=4 status=none
expect_same /tmp/reference /tmp/copy
expect_served "$domain/xvda" "$first"

step "shut down"
guest_start anthony off 'sync; poweroff -f'
wait_for 40 "anthony to be gone" guest_is_gone anthony
wait_for 10 "the last disk to be forgotten" lists_nothing
expect_idle
expect_released "$first"
daemon_stop
