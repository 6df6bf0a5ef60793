#!/bin/sh
# SPDX-License-Identifier: MIT
# A PV guest's only program: runs the lines that dom0 types at its console, "TAG command", and
# answers each with "TAG exit CODE". With root=DEVICE it goes on as the same program there, where
# somebody installed it.
export PATH=/usr/bin:/bb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo
modprobe xen-blkfront
modprobe crc32c_generic
root=$(sed -n 's/.*\broot=\([^ ]*\).*/\1/p' /proc/cmdline)
if [ -n "$root" ] && [ -z "$installed" ]; then
    modprobe ext4
    until [ -b "$root" ]; do sleep 0.2; done
    mkdir -p /mnt
    mount -t ext4 "$root" /mnt
    umount /dev/shm /dev /sys /proc
    installed=1 exec switch_root /mnt /init
fi
echo "guest ready"
while read -r tag command; do
    sh -c "$command" </dev/null
    echo "$tag exit $?"
done
