"""The memory that a machine needs to boot a system which is in its initrd altogether."""

from __future__ import annotations

KERNEL_MIB = 96
"""What the kernel needs, 64 MiB, and 32 MiB for the system that it starts."""

PAGE_TABLE = 16
"""One part in so many of the initrd: the kernel's account of all memory, 64 of 4096 bytes for
each page, of three times the initrd and more."""


def memory_mib(initrd: int) -> int:
    """Return the MiB that a machine must have.

    Linux unpacks an initrd into a file system that takes half of the memory at most, of that
    which is left beside the initrd itself and the kernel (`init_rootfs` and
    `shmem_default_max_blocks` of Linux 6.1). A system's initrd is compressed already, so it is
    as large unpacked: the initrd counts three times.

    Measured with Debian's cloud kernel 6.1, by -m of QEMU: an initrd of 165 MiB is not unpacked
    with 495 MiB and is with 559, one of 365 MiB not with 1159 and with 1181 ("Initramfs
    unpacking failed: write error").

    Args:
        initrd: bytes.
    """
    size = initrd >> 20
    return 3 * size + size // PAGE_TABLE + KERNEL_MIB
