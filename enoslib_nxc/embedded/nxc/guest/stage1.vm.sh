# vm: what NXC's systems mount as /tmp/shared; over the base's modules, those of this kernel
mkdir -p $targetRoot/tmp/shared $targetRoot/.over/usr/lib
mount -t 9p -o trans=virtio,version=9p2000.L shared $targetRoot/tmp/shared
ln -s @modules@/lib/modules $targetRoot/.over/usr/lib/modules

