#!/bin/bash
# SPDX-License-Identifier: MIT
# A driver domain's init, on a root like the small dom0's: what such a domain needs to give disks to
# other domains, then the lines that dom0 types at its console, as in a guest.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/bb HOME=/root

mount_file_systems() {
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev
    mount -t tmpfs tmpfs /dev/shm
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /tmp
    mkdir -p /run/lock /run/xen
}

# devtmpfs has no such links, and the hotplug scripts' locking waits for /dev/stdin forever.
link_standard_streams() {
    ln -s /proc/self/fd /dev/fd
    ln -s fd/0 /dev/stdin
    ln -s fd/1 /dev/stdout
    ln -s fd/2 /dev/stderr
}

mount_file_systems
link_standard_streams
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo
modprobe -a xen-evtchn xen-gntdev xen-privcmd xenfs xen-blkback loop
mount -t xenfs xenfs /proc/xen
xl devd -F &
echo "guest ready"
while read -r tag command; do
    bash -c "$command" </dev/null
    echo "$tag exit $?"
done
