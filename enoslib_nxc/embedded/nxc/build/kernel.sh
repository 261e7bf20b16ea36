# The kernel as NixOS names it, and its modules uncompressed: stage 1 uses plain insmod.
unpack_all tree
mkdir -p "$out/lib"
cp tree/boot/vmlinuz-* "$out/bzImage"
mv tree/usr/lib/modules "$out/lib/modules"
find "$out/lib/modules" -name '*.ko.xz' -exec busybox unxz {} +
depmod -b "$out" "$(ls "$out/lib/modules")"
