#!/bin/bash
# SPDX-License-Identifier: MIT
# The small dom0's init: what Debian's /etc/init.d/xen does, then the lab's agent.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/bb HOME=/root
readonly tools=/usr/lib/xen-4.17/bin

# devtmpfs has no such links, and the hotplug scripts' locking waits for /dev/stdin forever.
link_standard_streams() {
    ln -s /proc/self/fd /dev/fd
    ln -s fd/0 /dev/stdin
    ln -s fd/1 /dev/stdout
    ln -s fd/2 /dev/stderr
}

mount_file_systems() {
    mkdir -p /dev/pts /dev/shm
    mount -t devpts devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /tmp
    mkdir -p /run/lock /run/xen /run/xenstored
}

start_xen() {
    modprobe -a xen-evtchn xen-gntdev xen-privcmd xenfs
    mount -t xenfs xenfs /proc/xen
    XENSTORED_ROOTDIR=/run/xenstored "$tools/xenstored" --pid-file /run/xenstored.pid
    until xenstore-read -s / >/dev/null 2>&1; do sleep 0.1; done
    "$tools/xen-init-dom0"
    "$tools/xenconsoled" --pid-file=/run/xenconsoled.pid --log=guest \
        --log-dir=/var/log/xen/console
}

link_standard_streams
exec </dev/hvc0 >/dev/hvc0 2>&1
mount_file_systems
start_xen
# No udev here to load them on demand.
modprobe -a xen-blkfront xen-blkback loop
exec lab-agent
