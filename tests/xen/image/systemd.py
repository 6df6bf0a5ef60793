# SPDX-License-Identifier: MIT
"""The systemd dom0: Debian 12 as installed, with its own Xen scripts and udev."""

import shutil

from . import debian, modules
from .command import run
from .tree import pack_ext4

# Nothing here serves Xen, and each costs seconds of an emulated boot.
_MASKED = """apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer getty.target getty@tty1.service serial-getty@hvc0.service
    modprobe@drm.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt.service
    systemd-firstboot.service systemd-hwdb-update.service systemd-journal-flush.service
    systemd-logind.service systemd-pstore.service systemd-random-seed.service
    systemd-sysusers.service systemd-tmpfiles-clean.timer systemd-update-utmp.service
    systemd-update-utmp-runlevel.service systemd-user-sessions.service dev-hugepages.mount
    dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount""".split()


def _install_debian(root, packages):
    shutil.rmtree(root, ignore_errors=True)
    run("mmdebstrap", "--variant=minbase", "--quiet",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", f"--include={','.join(packages)}",
        "bookworm", root, *debian.sources())


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _configure(root, inside):
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    for name in ("lab-agent.service",):
        shutil.copy(inside / name, units / name)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants" / name).symlink_to(f"/etc/systemd/system/{name}")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    shutil.copy(inside / "agent.sh", root / "usr/local/sbin/lab-agent")
    (root / "usr/local/sbin/lab-agent").chmod(0o755)
    _write(root / "etc/systemd/journald.conf.d/lab.conf", "[Journal]\nStorage=volatile\n")
    _write(root / "etc/fstab", "/dev/vda / ext4 noatime 0 0\n")
    _write(root / "etc/hostname", "dom0\n")
    _write(root / "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    (root / "host").mkdir()
    (root / "opt/xen").mkdir(parents=True)
    with (root / "etc/default/xen").open("a") as settings:
        settings.write('XENCONSOLED_ARGS="--log=guest --log-dir=/var/log/xen/console"\n')
    (root / "var/log/xen/console").mkdir(parents=True, exist_ok=True)
    # The initramfs hands over to /init in both variants.
    (root / "init").symlink_to("lib/systemd/systemd")


def build(cache, inside):
    base, variant = cache / "base", cache / "systemd"
    root = variant / "root"
    variant.mkdir(exist_ok=True)
    _install_debian(root, debian.package_list(inside.parent / "dom0-packages"))
    _configure(root, inside)
    for name in ("vmlinux", "guest.cpio"):
        shutil.copy(base / name, root / "opt/xen" / name)
    modules.Modules(base / "kernel").install(
        root, modules.XEN + modules.DISK + modules.SHARE + ["loop", "autofs4", "configfs"])
    pack_ext4(root, variant / "root.img", megabytes=3072)
    shutil.rmtree(root)
