#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# dom0's first program: mounts the root and the share of the host, lets the host's hook change
# the root before anything runs there, and hands over.
export PATH=/bb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk crc32c_generic ext4 9pnet_virtio 9p; do
    modprobe "$module"
done
while [ ! -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 -o noatime /dev/vda /mnt
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=131072 labshare /mnt/host
for directory in proc sys dev; do mount --move /$directory /mnt/$directory; done
if [ -e /mnt/host/before-init.sh ]; then
    chroot /mnt /bin/bash /host/before-init.sh >/mnt/host/before-init.log 2>&1
    echo $? >/mnt/host/before-init.rc
fi
exec switch_root /mnt /init
