#!/bin/bash
# SPDX-License-Identifier: MIT
# bench.sh MEBIBYTES BACKEND=VDEV... [OPTION...]: in one dom0, an image of that size behind each
# backend, the options for tapringd; then every job file of /host/bench, in order, whose reports are
# written beside them. With BENCH_COUNTERS=1 also what tapringd did meanwhile.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly mebibytes=$1 tracing=/sys/kernel/tracing
shift
declare -A vdev=() node=()
order=()
while [[ ${1-} == *=xvd* ]]; do
    vdev[${1%=*}]=${1#*=}
    order+=("${1%=*}")
    shift
done
qemu=

# No holes, so that no backend has to allocate. What a backend goes past holds nothing of its image:
# where the page cache has a block, io_uring leaves a write with O_DIRECT to a thread.
filled_image() { # NAME
    local flags=()
    [[ $1 != aio && $1 != loop-direct ]] || flags=(oflag=direct)
    dd if=/dev/zero of="$images/$1.img" bs=1M count="$mebibytes" conv=fsync "${flags[@]}" \
        status=none
}

start_qemu() {
    /usr/libexec/xen-qemu-system-i386 -xen-domid 0 -xen-attach -name dom0 -machine xenpv \
        -display none -nographic -nodefaults -no-user-config -vnc none \
        -monitor none -serial none >/tmp/qemu.log 2>&1 &
    qemu=$!
    # libxl asks for dom0's device model by this key.
    xenstore-write /local/domain/0/image/device-model-pid "$qemu"
}

attach_backend() { # NAME
    local file="$images/$1.img" to=${vdev[$1]}
    filled_image "$1"
    case $1 in
    aio) attach_dom0 "tap:aio:$file,$to,w" "$to" ;;
    raw) attach_dom0 "script=block-tapring,vdev=$to,access=rw,target=raw:$file" "$to" ;;
    loop) attach_dom0 "$file,raw,$to,w" "$to" ;;
    loop-direct)
        node[$1]=$(losetup --direct-io=on --find --show "$file")
        attach_dom0 "phy:${node[$1]},$to,w" "$to"
        ;;
    qdisk) attach_dom0 "backendtype=qdisk,format=raw,vdev=$to,access=rw,target=$file" "$to" ;;
    esac
}

opened_direct() { # PID IMAGE: the process has this file open with O_DIRECT
    local fd key flags
    for fd in "/proc/$1/fd"/*; do
        [[ $fd -ef $2 ]] || continue
        while read -r key flags; do
            [[ $key != flags: ]] || (((flags & 040000) == 0)) || return 0
        done <"/proc/$1/fdinfo/${fd##*/}"
    done
    return 1
}

loop_is_direct() { # IMAGE: its loop device goes past the page cache
    local loop
    for loop in /sys/block/loop*/loop; do
        [[ -e $loop/backing_file && $(<"$loop/backing_file") == "$1" ]] || continue
        [[ $(<"$loop/dio") == 1 ]]
        return
    done
    die "no loop device has $1"
}

expect_kind() { # NAME: it treats its file as its name says
    local file="$images/$1.img" direct=no
    case $1 in
    aio | raw)
        expect_served "0/${vdev[$1]}" "$file"
        ! opened_direct "$daemon" "$file" || direct=yes
        ;;
    loop | loop-direct)
        expect "xen-blkback serves $1" \
            test -e "/sys/bus/xen-backend/devices/vbd-0-$(devid "${vdev[$1]}")/driver"
        ! loop_is_direct "$file" || direct=yes
        ;;
    qdisk) ! opened_direct "$qemu" "$file" || direct=yes ;;
    esac
    step "$1 is /dev/${vdev[$1]}; past the page cache: $direct"
    case $1 in
    aio | loop-direct) [[ $direct == yes ]] || die "$1 goes through the page cache" ;;
    *) [[ $direct == no ]] || die "$1 goes past the page cache" ;;
    esac
}

attach_all() { # [OPTION...]
    local name
    # While no tapringd is there, xl's own script makes a loop device of a file.
    [[ -z ${vdev[loop]-} ]] || attach_backend loop
    daemon_log_level=info daemon_start "$@"
    [[ -z ${vdev[qdisk]-} ]] || start_qemu
    for name in "${order[@]}"; do
        [[ $name == loop ]] || attach_backend "$name"
    done
    for name in "${order[@]}"; do expect_kind "$name"; done
}

detach_all() {
    local name
    for name in "${order[@]}"; do detach "${vdev[$name]}"; done
    [[ -z ${node[loop-direct]-} ]] || losetup --detach "${node[loop-direct]}"
    if [[ -n $qemu ]]; then
        kill "$qemu"
        xenstore-rm /local/domain/0/image
    fi
    daemon_stop
}

system_calls=events/raw_syscalls/sys_enter/trigger
counting=${BENCH_COUNTERS:-}

count() { # FILE: what tapringd and its threads did by now
    list_json >"$1.list"
    grep . "/proc/$daemon/task"/*/comm >"$1.names"
    grep ctxt_switches "/proc/$daemon/task"/*/status >"$1.switches"
}

measure() { # JOB_FILE
    local stem=${1%.fio} title
    read -r title <"$1"
    step "${title#\# }"
    if [[ -n $counting ]]; then
        count "$stem.before"
        echo 'hist:keys=common_pid,id.syscall:clear' >>"$tracing/$system_calls"
    fi
    fio --output-format=json --output="$stem.json" "$1"
    if [[ -n $counting ]]; then
        cat "$tracing/${system_calls%trigger}hist" >"$stem.calls"
        count "$stem.after"
    fi
}

cd /tmp
uname -r >/host/bench/kernel
cat /sys/hypervisor/version/{major,minor} >/host/bench/xen
attach_all "$@"
if [[ -n $counting ]]; then
    mount -t tracefs tracefs "$tracing"
    echo 'hist:keys=common_pid,id.syscall' >"$tracing/$system_calls"
fi
for job in /host/bench/*.fio; do measure "$job"; done
[[ -z $counting ]] || umount "$tracing"
detach_all
