#!/bin/bash
# SPDX-License-Identifier: MIT
# The demonstration's part in dom0: a tap:aio: disk from attach to detach, and fio's figures.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly seconds=5

figures() { # JOB: a line of the table, from fio's terse report
    local name=${1/-/ } rate
    rate=$(fio --name="$1" --filename=/dev/xvda --direct=1 --ioengine=libaio --iodepth=16 \
        --rw="${1%-*}" --bs="${1#*-}" --runtime="$seconds" --time_based --minimal)
    awk -F';' -v name="$name" '{
        reading = name ~ /read/
        printf "%-16s %9d %9.1f %12.1f\n", name, reading ? $8 : $49,
            (reading ? $7 : $48) / 1024, reading ? $40 : $81
    }' <<<"$rate"
}

disk=$(image anthony 256)
step "tapringd, as its unit starts it: root without capabilities"
daemon_log_level=info daemon_start
step "xl block-attach 0 'tap:aio:$disk,xvda,w'"
attach_dom0 "tap:aio:$disk,xvda,w" xvda
tapring list
step "mkfs.ext4, mount, copy"
mkdir -p /mnt/disk
mkfs.ext4 -q -F /dev/xvda
mount /dev/xvda /mnt/disk
cp "$images/vmlinux" /mnt/disk
umount /mnt/disk
step "mount again, compare"
mount /dev/xvda /mnt/disk
cmp "$images/vmlinux" /mnt/disk/vmlinux
umount /mnt/disk
rows=()
for job in randread-4k randwrite-4k randread-128k randwrite-128k; do
    step "fio $job, $seconds s"
    rows+=("$(figures "$job")")
done
step "xl block-detach 0 xvda"
detach xvda
expect_released "$disk"
expect_idle
daemon_stop
step "done: nothing of the image is held any more"
printf '\n%-16s %9s %9s %12s\n' "fio, depth 16" "IOPS" "MiB/s" "latency us"
printf '%s\n' "${rows[@]}"
