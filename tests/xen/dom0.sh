# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scenarios share: they are sourced bash, run as root in the lab's dom0.
#
# A scenario is a list of expectations; the first that fails ends it, with tapringd's log and the
# state of the disks. Starting a program costs 0.1 s under emulation, so loops stay inside bash.
#
# TAPRING_BACKEND=kernel runs a scenario against xen-blkback without tapringd: the control
# experiment that tells a wrong expectation from a defect of tapringd.
set -Eeuo pipefail
shopt -s inherit_errexit

readonly backend=${TAPRING_BACKEND:-tapringd}
readonly images=/opt/xen
readonly run_dir=/run/tapring
readonly daemon_log=/tmp/tapringd.log
readonly console_logs=/var/log/xen/console
# A machine that is busy with other things is granted a multiple of every time.
readonly patience=${TAPRING_PATIENCE:-1}
# libxl waits 10 s for a backend and 40 s for a hotplug script. Those do not grow with patience:
# what libxl gave up is tried again, while the multiple lasts.
readonly detach_seconds=$((10 * patience)) attach_seconds=$((50 * patience))
daemon=

mkfifo "/tmp/nap.$$"
exec {nap_fd}<>"/tmp/nap.$$"
rm "/tmp/nap.$$"

nap() { # SECONDS: a sleep without a fork
    read -r -t "$1" -u "$nap_fd" || true
}

step() { # TEXT...
    printf '%5d s  %s\n' "$SECONDS" "$*"
}

die() { # TEXT...
    echo "FAILED: $*"
    exit 1
}

expect() { # TEXT COMMAND...: the command must succeed
    local text=$1
    shift
    "$@" || die "$text ($*)"
}

wait_for() { # SECONDS TEXT COMMAND...: the command must succeed within so many seconds
    local deadline=$((SECONDS + $1 * patience)) text=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "waited in vain for $text ($*)"
        nap 0.2
    done
}

is_gone() { # PATH
    [[ ! -e $1 ]]
}

# --- the scenario's end

finish() {
    local code=$?
    trap - EXIT
    if ((code == 0)); then
        expect_nothing_left
        return
    fi
    echo "--- disks"
    xenstore-ls -f /local/domain 2>/dev/null | grep -E '/(backend|device)/(vbd|vbd3|qdisk)/' |
        tail -60 || true
    echo "--- guests"
    tail -n 30 "$console_logs"/guest-*.log 2>/dev/null || true
    echo "--- kernel"
    dmesg | tail -15 || true
    echo "--- tapringd"
    tail -60 "$daemon_log" 2>/dev/null || true
    if [[ -d /run/systemd/system ]]; then journalctl -b -u tapringd --no-pager | tail -60; fi
    exit "$code"
}
trap finish EXIT
trap 'echo "FAILED: $BASH_SOURCE:$LINENO: $BASH_COMMAND"' ERR

expect_nothing_left() {
    local kind
    trap 'die "the scenario left something behind"' ERR
    for kind in vbd vbd3 qdisk; do
        [[ -z $(xenstore-ls "/local/domain/0/backend/$kind" 2>/dev/null |
            grep -w frontend || true) ]] || die "a $kind node is left"
    done
    [[ $(xl list | wc -l) == 2 ]] || die "a guest is left"
    [[ -z $daemon ]] || die "tapringd was not stopped"
    rm -f "$images"/*.img
}

# --- tapringd

is_kernel() {
    [[ $backend == kernel ]]
}

# As the unit starts it: root without any capability.
daemon_start() { # [OPTION...]
    ! is_kernel || return 0
    [[ -e /tmp/tapring.toml ]] || : >/tmp/tapring.toml
    ulimit -l unlimited
    : >"$daemon_log"
    setpriv --bounding-set=-all --inh-caps=-all tapringd --config /tmp/tapring.toml \
        --run-dir "$run_dir" --log-level "${daemon_log_level:-debug}" "$@" >"$daemon_log" 2>&1 &
    daemon=$!
    wait_for 30 "tapringd to answer" tapring --run-dir "$run_dir" list
}

daemon_stop() {
    ! is_kernel || return 0
    local code=0
    kill -TERM "$daemon"
    wait_for 15 "tapringd to stop" is_gone "/proc/$daemon/exe"
    wait "$daemon" || code=$?
    ((code == 0)) || die "tapringd ended with exit code $code"
    daemon=
}

daemon_lives() {
    is_kernel || [[ -e /proc/$daemon/exe ]] || die "tapringd died"
}

list_json() {
    tapring --run-dir "$run_dir" list --json
}

is_listed() { # DISK STATE PATH
    list_json | jq --exit-status --arg disk "$1" --arg state "$2" --arg path "$3" \
        '.disks[] | select(.disk == $disk and .state == $state and .path == $path)' >/dev/null
}

is_in_state() { # DISK STATE
    list_json | jq --exit-status --arg disk "$1" --arg state "$2" \
        '.disks[] | select(.disk == $disk and .state == $state)' >/dev/null
}

lists_nothing() {
    is_kernel || list_json | jq --exit-status '.disks == []' >/dev/null
}

# Figures of the process, read without a fork. Of its threads not those that the kernel keeps for
# io_uring, which come and go as it likes.
daemon_count() { # fd | rss | threads
    local key value rest file count=0
    case $1 in
    fd)
        local open=("/proc/$daemon/fd"/*)
        echo "${#open[@]}"
        ;;
    threads)
        for file in "/proc/$daemon/task"/*/comm; do
            if read -r value 2>/dev/null <"$file" && [[ $value != iou-* ]]; then
                count=$((count + 1))
            fi
        done
        echo "$count"
        ;;
    rss)
        while read -r key value rest; do
            if [[ $key == VmRSS: ]]; then echo "$value"; fi
        done <"/proc/$daemon/status"
        ;;
    esac
}

# --- images and disks

image() { # NAME MEBIBYTES: makes an empty image and prints its path
    truncate -s 0 "$images/$1.img"
    truncate -s "${2}M" "$images/$1.img"
    echo "$images/$1.img"
}

random_file() { # PATH MEBIBYTES
    dd if=/dev/urandom of="$1" bs=1M count="$2" status=none
}

devid() { # VDEV: the number of xvda, xvdb...
    local letters=abcdefghijklmnop before
    before=${letters%%"${1#xvd}"*}
    echo $((202 << 8 | ${#before} << 4))
}

has_size() { # DEVICE
    [[ -b $1 && $(<"/sys/class/block/${1#/dev/}/size") -gt 0 ]]
}

is_script_too_slow() { # libxl ended the stock script, some forty programs, which waits for nobody
    ((patience > 1)) && grep -q 'killing execution of /etc/xen/scripts/block add' "$1"
}

attach() { # LINE [DOMAIN]
    local deadline=$((SECONDS + attach_seconds)) log=/tmp/xl-attach.log vdev=${1#*,}
    until timeout "$attach_seconds" xl block-attach "${2:-0}" "$1" 2>"$log"; do
        cat "$log"
        ((SECONDS < deadline)) || die "attaching '$1' failed again and again"
        is_script_too_slow "$log" || die "attaching '$1' failed"
        step "attaching again"
        detach "${vdev%%,*}" "${2:-0}"
    done
}

attach_dom0() { # LINE VDEV: attaches to dom0 and waits for the block device
    attach "$1"
    wait_for 20 "/dev/$2" has_size "/dev/$2"
}

detach() { # VDEV [DOMAIN]
    local started=$EPOCHREALTIME took deadline=$((SECONDS + detach_seconds))
    until timeout "$((detach_seconds * 2))" xl block-detach "${2:-0}" "$1"; do
        ((patience > 1 && SECONDS < deadline)) || die "detaching $1 failed"
        step "detaching again"
    done
    took=$((${EPOCHREALTIME/./} - ${started/./}))
    ((took < detach_seconds * 1000000)) || die "detaching $1 took $((took / 1000)) ms"
}

expect_served() { # DISK PATH: connected, and by whom it should be
    local node
    node="vbd-${1%/*}-$(devid "${1#*/}")"
    if is_kernel; then
        expect "$1 is served by xen-blkback" test -e "/sys/bus/xen-backend/devices/$node/driver"
        return
    fi
    expect "tapring lists $1 as connected to $2" is_listed "$1" connected "$2"
    expect "xen-blkback let go of $1" \
        is_gone "/sys/bus/xen-backend/devices/$node/driver"
}

holders() { # PATH: who still has this file, one line each; nothing if it is free
    local inode loop
    inode=$(stat -c %i "$1")
    # One program instead of one readlink for every descriptor.
    # shellcheck disable=SC2010
    ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F -- "-> $1" || true
    grep ":$inode " /proc/locks || true
    for loop in /sys/block/loop*/loop/backing_file; do
        [[ -e $loop && $(<"$loop") == "$1" ]] && echo "$loop"
    done
    [[ -z $daemon ]] || grep -F "$1" "/proc/$daemon/maps" || true
}

expect_released() { # PATH
    local left
    left=$(holders "$1")
    [[ -z $left ]] || die "$1 is still held: $left"
}

expect_idle() { # no disk is attached: the daemon lists none and maps no guest memory
    is_kernel && return
    expect "tapring lists no disk" lists_nothing
    ! grep gntdev "/proc/$daemon/maps" || die "tapringd still maps grants"
}

expect_same() { # FILE IMAGE: the image begins with the file's bytes
    cmp --bytes="$(stat -c %s "$1")" "$1" "$2" || die "$1 and $2 differ"
}

fio_verify() { # DEVICE BLOCK_SIZE MEBIBYTES
    fio --name="verify-$2" --filename="$1" --direct=1 --ioengine=libaio --iodepth=16 \
        --rw=randwrite --bs="$2" --size="${3}M" --verify=crc32c --verify_fatal=1 \
        --output=/tmp/fio.log || { cat /tmp/fio.log; die "fio verify at $2 on $1"; }
}

# --- guests: they run lines typed at their console, see inside/guest-init.sh

guest_options=() # for xl create
guest_vcpus=1
guest_extra= # for its kernel's command line
guest_config= # one more line of its configuration

guest_create() { # NAME DISK_LINE...
    local name=$1 line disks=
    shift
    for line; do disks+="'$line',"; done
    rm -f "$console_logs/guest-$name.log"
    cat >"/tmp/$name.cfg" <<CONFIG
name = "$name"
type = "pv"
kernel = "$images/vmlinux"
ramdisk = "$images/guest.cpio"
extra = "console=hvc0 rdinit=/init loglevel=4 mitigations=off norandmaps $guest_extra"
memory = 256
vcpus = $guest_vcpus
disk = [$disks]
on_poweroff = "destroy"
on_crash = "destroy"
$guest_config
CONFIG
    xl create -q "${guest_options[@]}" "/tmp/$name.cfg" >/tmp/create.log 2>&1 ||
        { cat /tmp/create.log; die "creating $name failed"; }
}

guest_boot() { # NAME DISK_LINE...
    guest_create "$@"
    guest_expect "$1" 60 '^guest ready'
}

guest_expect() { # NAME SECONDS PATTERN: the pattern appears in what the guest printed
    local log="$console_logs/guest-$1.log" deadline=$((SECONDS + $2 * patience))
    until grep -q "$3" "$log" 2>/dev/null; do
        ((SECONDS < deadline)) || { tail -20 "$log"; die "$1 did not print '$3' in $2 s"; }
        nap 0.5
    done
}

guest_start() { # NAME TAG COMMAND: the tag must be new in this guest
    local console
    console=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")
    printf '%s %s\n' "$2" "$3" >"$console"
}

guest_join() { # NAME TAG SECONDS: the command started under this tag ends well
    local log="$console_logs/guest-$1.log"
    guest_expect "$1" "$3" "^$2 exit [0-9]"
    grep -q "^$2 exit 0" "$log" || { tail -40 "$log"; die "$2 failed in $1"; }
}

guest_run() { # NAME TAG SECONDS COMMAND
    guest_start "$1" "$2" "$4"
    guest_join "$1" "$2" "$3"
}

guest_is_gone() { # NAME: neither listed nor a zombie held by grants still mapped
    ! xl domid "$1" >/dev/null 2>&1 && ! xl list | grep -q '(null)'
}

guest_fio() { # OPTIONS...: a fio command line for guest_run
    echo "fio --filename=/dev/xvda --direct=1 --ioengine=libaio --iodepth=16 --minimal $*" \
        ">/tmp/fio.log 2>&1 || { cat /tmp/fio.log; false; }"
}

# --- loads that go on while something happens: command lines for dom0's shell and for guest_run

readonly load_fio="fio --name=verify --rw=randrw --bsrange=4k-64k --size=16M --verify=crc32c \
--verify_fatal=1 --verify_backlog=64 --direct=1 --ioengine=libaio --iodepth=16 --minimal"

load() { # DEVICE [DIRECTORY]: goes on until end_of_load
    local at=${2:-/tmp/load}
    echo "rm -rf $at; mkdir -p $at; (code=0; while [ ! -e $at/stop ]; do" \
        "$load_fio --filename=$1 >>$at/log 2>&1 || { code=\$?; break; };" \
        "done; echo \$code >$at/code) &"
}

# Prints its figures; fails as fio did. Fields 39 and 80 of fio's terse output, version 3, are the
# longest that a read and a write took, in microseconds.
end_of_load() { # [DIRECTORY]
    local at=${1:-/tmp/load}
    echo "touch $at/stop; until [ -e $at/code ]; do sleep 0.5; done;" \
        "awk -F';' '\$1 == 3 { n++; for (i = 39; i <= 80; i += 41) if (\$i > m) m = \$i }" \
        "END { print \"fio ran \" n \" times, the longest request took \" m / 1000 \" ms\" }'" \
        "$at/log; [ \$(cat $at/code) = 0 ] || { cat $at/log; false; }"
}

has_progressed() { # DIRECTORY: in dom0, since the file `since` was made there
    [[ $1/log -nt $1/since ]]
}

expect_progress() { # [DIRECTORY]
    local at=${1:-/tmp/load}
    : >"$at/since"
    wait_for 60 "fio to finish a round" has_progressed "$at"
    [[ ! -e $at/code ]] || die "fio failed: $(<"$at/log")"
}

guest_expect_progress() { # NAME TAG
    guest_run "$1" "$2" 60 ": >/tmp/load/since; until [ /tmp/load/log -nt /tmp/load/since ] || \
        [ -e /tmp/load/code ]; do sleep 0.5; done; [ ! -e /tmp/load/code ]"
}

nap_at_random() { # MILLISECONDS at most
    local time=$((RANDOM % $1))
    nap "$((time / 1000)).$(printf %03d $((time % 1000)))"
}
