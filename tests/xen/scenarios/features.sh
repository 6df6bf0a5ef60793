#!/bin/bash
# SPDX-License-Identifier: MIT
# Every feature of the ring that Linux's blkfront can use, and the same disk without them: queues,
# ring pages, indirect segments, persistent grants, discards, growth, storage of large blocks.
#
# seconds: 240
# control: no

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

disk=$(image disk 96)

blkfront() { # PARAMETER...: dom0's driver comes anew with these
    modprobe -r xen-blkfront
    modprobe xen-blkfront "$@"
}

room() { # PATH: the mebibytes its blocks take
    echo $(($(stat -c %b "$1") / 2048))
}

has_rings() { # DISK QUEUES PAGES
    list_json | jq --exit-status --arg disk "$1" --argjson queues "$2" --argjson pages "$3" \
        '.disks[] | select(.disk == $disk and .queues == $queues and .ring_pages == $pages)' \
        >/dev/null
}

backend_key() { # KEY
    xenstore-read "/local/domain/0/backend/vbd/0/$(devid xvda)/$1"
}

sectors_are() { # VDEV SECTORS
    [[ $(<"/sys/class/block/$1/size") == "$2" ]]
}

works() { # TEXT QUEUES PAGES: fio with checksums
    step "$1"
    attach_dom0 "tap:aio:$disk,xvda,w" xvda
    expect "$2 queues of $3 pages" has_rings 0/xvda "$2" "$3"
    fio_verify /dev/xvda 64k 12
    fio_verify /dev/xvda 512 1
    detach xvda
    expect_released "$disk"
}

# Its offer of queues would stand, as it is first at each vbd.
modprobe -r xen-blkback

daemon_start --max-queues 4
blkfront max_indirect_segments=256 max_ring_page_order=4 max_queues=4
works "every feature" 2 16
blkfront max_indirect_segments=0 max_ring_page_order=0 max_queues=1
works "none of them" 1 1

step "a guest of four CPUs with four queues"
guest_vcpus=4
guest_extra="xen_blkfront.max_indirect_segments=256 xen_blkfront.max_ring_page_order=4 \
xen_blkfront.max_queues=4"
guest_boot many "tap:aio:$disk,xvda,w"
guest_run many disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
expect "4 queues of 16 pages" has_rings "$(xl domid many)/xvda" 4 16
guest_run many verify 120 "$(guest_fio --name=verify --rw=randwrite --bsrange=512-1M --size=4M \
    --numjobs=4 --offset_increment=4M --verify=crc32c --verify_fatal=1)"
guest_start many off 'poweroff -f'
wait_for 40 "the guest to be gone" guest_is_gone many

step "blkdiscard"
blkfront
attach_dom0 "tap:aio:$disk,xvda,w" xvda
dd if=/dev/urandom of=/dev/xvda bs=1M count=16 oflag=direct status=none
(($(room "$disk") >= 16)) || die "the image has no room to give back"
blkdiscard /dev/xvda
(($(room "$disk") < 2)) || die "$(room "$disk") MiB are left after blkdiscard"
cmp --bytes=16M /dev/xvda /dev/zero || die "a discarded range is not zeros"

step "fstrim"
mkfs.ext4 -q -E nodiscard /dev/xvda
mount /dev/xvda /mnt
random_file /mnt/kept 4
random_file /mnt/removed 24
sync
sum=$(sha256sum </mnt/kept)
before=$(room "$disk")
rm /mnt/removed
sync
fstrim /mnt
(($(room "$disk") <= before - 20)) || die "$before MiB became $(room "$disk") MiB by fstrim"
umount /mnt
mount /dev/xvda /mnt
[[ $(sha256sum </mnt/kept) == "$sum" ]] || die "fstrim took more than it should"

step "growth, under a mounted file system"
truncate -s 128M "$disk"
wait_for 20 "the new size" sectors_are xvda $((128 * 2048))
resize2fs /dev/xvda >/tmp/resize.log 2>&1 || { cat /tmp/resize.log; die "resize2fs"; }
[[ $(sha256sum </mnt/kept) == "$sum" ]] || die "growing changed a file"
umount /mnt
detach xvda
expect_released "$disk"

step "no-discard, to a guest that does not trust its backends"
blkfront trusted=0
attach_dom0 "format=raw,vdev=xvda,access=rw,no-discard,target=$disk" xvda
[[ $(backend_key feature-discard) == 0 ]] || die "a discard was offered"
! blkdiscard /dev/xvda 2>/dev/null || die "blkdiscard succeeded"
fio_verify /dev/xvda 16k 4
detach xvda
blkfront # the next scenarios have the driver as it comes

step "storage that takes blocks of 4096 bytes"
loop=$(losetup --find --show --direct-io=on --sector-size 4096 "$disk")
attach_dom0 "script=block-tapring,vdev=xvda,access=rw,target=aio:$loop" xvda
[[ $(backend_key sector-size) == 512 ]] || die "the guest's sectors are not 512 bytes"
[[ $(backend_key physical-sector-size) == 4096 ]] || die "the storage's blocks are not told"
[[ $(backend_key discard-secure) == 0 ]] || die "a loop device erases nothing for ever"
fio_verify /dev/xvda 512 1
fio_verify /dev/xvda 24k 4
detach xvda
losetup --detach "$loop"
expect_released "$disk"
expect_idle
daemon_stop

step "persistent grants"
daemon_start --max-queues 4 --max-persistent-grants 64
attach_dom0 "tap:aio:$disk,xvda,w" xvda
[[ $(backend_key feature-persistent) == 1 ]] || die "persistent grants are not offered"
fio_verify /dev/xvda 64k 12
mapped=$(grep -c gntdev "/proc/$daemon/maps")
((mapped > 32)) || die "only $mapped mappings: no page was kept"
detach xvda
expect_idle
expect_released "$disk"
daemon_stop

modprobe xen-blkback
