# What starts a machine: a kernel, the modules that systems may load with it, and stage 1.
{ lib, derive, unpack, toolsPath, wheel, tree }:
{ deb # the kernel's package
, text # NXC's stage-1 text: a file of its nix/flavours/shared
, loaded # what is there for stage 1 to load: [ "LIST MODULE..." ]
, init ? _: ./guest/stage1.sh # modules -> the program around NXC's text
}:
rec {
  # /bzImage and /lib/modules of the kernel package.
  kernel = derive.run "linux-kernel" {
    debs = [ deb ];
    PATH = toolsPath;
  } (unpack + builtins.readFile ./build/kernel.sh);

  # The modules that systems may load, with those that they depend on.
  modules = derive.run "linux-modules" {
    inherit kernel;
    list = ./guest/modules;
    PATH = toolsPath;
  } (builtins.readFile ./build/modules.sh);

  # /initrd, the first part of a ramdisk; /init, its program; /commands, NXC's text in it.
  stage1 = derive.run "stage-1" {
    inherit kernel wheel tree;
    PATH = toolsPath;
    init = init modules;
    dhcp = ./guest/dhcp.sh;
    mountNfs = ./guest/mount.nfs;
    extract = ./build/extract.awk;
  } (builtins.replaceStrings [ "@text@" "@loaded@" ]
    [ text (lib.concatMapStringsSep "\n" (words: "modules_of ${words}") loaded) ]
    (builtins.readFile ./build/stage1.sh));
}
