# The flavours that this library builds: NXC's names and fields. Roles do not depend on them:
# a flavour is only what carries the same systems to a machine (images.nix, by image.type).
let
  g5k = name: type: {
    inherit name;
    description = "Flavour for Grid'5000 platform";
    image = { inherit type; distribution = "all-in-one"; };
  };
in {
  vm-ramdisk = {
    name = "vm-ramdisk";
    description = "Virtual machine, everything in memory";
    image = { type = "ramdisk"; distribution = "all-in-one"; };
    vm = true; # has a qemu_script
  };
  vm = {
    name = "vm";
    description = "vm ";
    image.distribution = "all-in-one";
    vm = true;
  };
  g5k-ramdisk = g5k "g5k-ramdisk" "ramdisk";
  g5k-nfs-store = g5k "g5k-nfs-store" "remote-store";
  g5k-image = g5k "g5k-image" "tarball";
}
