# SPDX-License-Identifier: MIT
"""Making what the lab boots: hypervisor, kernel, initramfs, and the two roots of dom0."""
