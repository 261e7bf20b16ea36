# Debian packages from the lock: the base tree that all roles share, the kernel, and what
# roles may add.
{ lib, derive, lock }:
let
  locked = builtins.fromJSON (builtins.readFile lock);
  byName = lib.listToAttrs (map (package: lib.nameValuePair package.name package) locked.packages);

  # Names of the packages that some names need, themselves included.
  closure = names: map (found: found.key) (builtins.genericClosure {
    startSet = map (name: { key = name; }) names;
    operator = found: map (name: { key = name; }) byName.${found.key}.depends;
  });
  sources = names: map (name: derive.requireFile byName.${name}) (lib.unique names);

  baseNames = closure locked.groups.base;
  isBase = lib.genAttrs baseNames (_: true);

  kernelPackage = lib.head (lib.filter (name: ! lib.elem name locked.groups.kernel)
    (closure locked.groups.kernel));

  unpack = builtins.readFile ./build/unpack.sh;

  # The programs of a group, each started with its own libraries: /bin/NAME.
  programs = group: names: derive.run group {
    programs = names;
    debs = sources (closure (locked.groups.${group}
      or (throw "debian.lock.json has no group `${group}': take it over from the lock that comes with enoslib-nxc, then run enoslib-nxc lock")));
  } (unpack + builtins.readFile ./build/tools.sh);

  # One store path for each package that is not in the base.
  unpacked = lib.mapAttrs (name: package:
    derive.run "debian-${package.filename}" { debs = sources [ name ]; } ''
      ${unpack}
      unpack_all "$out"
      tidy "$out"
    '') (lib.filterAttrs (name: _: ! isBase ? ${name}) byName);
in rec {
  # Programs that builds use besides the host's own: pinned as the rest, so that neither
  # what is installed here nor its version matters.
  tools = programs "tools" [ "cpio" "jq" "mksquashfs" "depmod=kmod" "modprobe=kmod" ];
  # those that only tarballs need, apart: systems are made without them
  archivers = programs "archivers" [ "xz" ];
  toolsPath = "${tools}/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  wheel = derive.requireFile locked.wheel;

  # /bzImage and /lib/modules of the kernel package.
  kernel = derive.run "linux-kernel" {
    debs = sources [ kernelPackage ];
    PATH = toolsPath;
  } (unpack + builtins.readFile ./build/kernel.sh);

  # The modules that systems may load, with those that they depend on.
  modules = derive.run "linux-modules" {
    inherit kernel;
    list = ./guest/modules;
    PATH = toolsPath;
  } (builtins.readFile ./build/modules.sh);

  stage1Tree = derive.run "stage1-tree" { debs = sources (closure locked.groups.stage1); } ''
    ${unpack}
    unpack_all "$out"
  '';

  base = derive.run "debian-base" {
    inherit modules;
    debs = sources baseNames;
    sshdConfig = ./guest/sshd_config;
    systemConf = ./guest/system.conf;
    units = ./guest/units;
  } (unpack + builtins.readFile ./build/base.sh);

  # /initrd, the first part of a ramdisk; /init, its program; /commands, NXC's text in it.
  stage1 = derive.run "stage-1" {
    inherit kernel wheel;
    PATH = toolsPath;
    tree = stage1Tree;
    init = ./guest/stage1.sh;
    dhcp = ./guest/dhcp.sh;
    mountNfs = ./guest/mount.nfs;
    extract = ./build/extract.awk;
  } (builtins.readFile ./build/stage1.sh);

  # pkgs.NAME: a package of the base is the base itself; others carry `closure`, what a role
  # that uses them needs besides the base.
  packages = lib.mapAttrs (name: _:
    if isBase ? ${name} then base // { closure = [ ]; pname = name; }
    else unpacked.${name} // {
      pname = name;
      closure = map (needed: unpacked.${needed})
        (lib.filter (needed: ! isBase ? ${needed}) (closure [ name ]));
    }) byName;

  # The closures of those packages that a text refers to (`''${pkgs.iperf3}/bin/iperf3`).
  referred = text:
    let context = builtins.getContext text;
    in lib.concatMap (name:
      lib.optionals (context ? ${builtins.unsafeDiscardStringContext unpacked.${name}.drvPath})
        packages.${name}.closure) (lib.attrNames unpacked);
}
