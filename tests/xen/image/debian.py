# SPDX-License-Identifier: MIT
"""What the host's apt knows: versions, sources, and single packages to unpack."""

import re
import subprocess

from .command import run

HYPERVISOR = "xen-hypervisor-4.17-amd64"


def package_list(path):
    """The names in a file with one package a line."""
    return path.read_text().split()


def installed_versions(names):
    return run("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *names)


def candidate_versions(names):
    policy = run("apt-cache", "policy", *names)
    return "".join(f"{name} {version}\n" for name, version in
                   re.findall(r"^(\S+):\n.*\n  Candidate: (\S+)", policy, re.M))


def kernel_package():
    """The package behind the meta package linux-image-amd64. The cloud flavour cannot be dom0."""
    shown = run("apt-cache", "show", "--no-all-versions", "linux-image-amd64")
    return re.search(r"^Depends: (linux-image-\S+)", shown, re.M).group(1)


def unpack(name, downloads, target):
    """Downloads a package, if it is not there yet, and unpacks it without installing it."""
    downloads.mkdir(parents=True, exist_ok=True)
    version = candidate_versions([name]).split()[1].replace(":", "%3a")
    pattern = f"{name}_{version}_*.deb"
    if not list(downloads.glob(pattern)):
        run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name, cwd=downloads)
    [deb] = downloads.glob(pattern)
    run("dpkg-deb", "--extract", deb, target)


def sources():
    """The host's own Debian sources as sources.list lines; other vendors' are left out."""
    fields = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    found = run("apt-get", "indextargets", "--format", fields, "Created-By: Packages",
                "Origin: Debian").splitlines()
    if not found:
        raise SystemExit("apt knows no Debian source; run apt-get update first")
    return [f"deb {line}" for line in sorted(set(found))]


def missing(names):
    """Those of the names that are not installed here."""
    shown = subprocess.run(["dpkg-query", "--show", "--showformat",
                            "${db:Status-Status} ${Package}\n", *names],
                           capture_output=True, text=True).stdout
    installed = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in installed]
