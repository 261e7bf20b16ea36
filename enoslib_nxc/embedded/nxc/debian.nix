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

  namesOf = group: locked.groups.${group}
    or (throw "debian.lock.json has no group `${group}': take it over from the lock that comes with enoslib-nxc, then run enoslib-nxc lock");

  # The package that a group's metapackage stands for.
  kernelDeb = group:
    let meta = namesOf group;
    in lib.head (sources (lib.filter (name: ! lib.elem name meta) (closure meta)));

  unpack = builtins.readFile ./build/unpack.sh;

  # The programs of a group, each started with its own libraries: /bin/NAME.
  programs = group: names: derive.run group {
    programs = names;
    debs = sources (closure (namesOf group));
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

  # pkgs.NAME of the lock's other wheels: a program NAME, which runs the package NAME.
  fromPip = lib.listToAttrs (map (one: lib.nameValuePair one.name (derive.run one.name {
    wheel = derive.requireFile one;
    program = one.name;
    PATH = toolsPath;
  } (builtins.readFile ./build/wheel.sh))) (locked.wheels or [ ]));

  starter = import ./starter.nix {
    inherit lib derive unpack toolsPath wheel;
    tree = derive.run "stage1-tree" { debs = sources (closure locked.groups.stage1); } ''
      ${unpack}
      unpack_all "$out"
    '';
  };

  # The cloud kernel and NXC's usual stage 1; ext4 is part of that kernel.
  inherit (starter {
    deb = kernelDeb "kernel";
    text = "stage-1-cmds.nix";
    loaded = [
      "order virtio_pci virtio_net loop squashfs overlay"
      "order.disk virtio_blk"
      "order.nfs nfsv3"
    ];
  }) kernel modules stage1;

  # The same for flavour vm, which mounts the store by 9p: the cloud kernel cannot.
  vm = starter {
    deb = kernelDeb "kernel-9p";
    text = "vm-stage-1-cmds.nix";
    # loop and squashfs: roles find them in every flavour
    loaded = [ "order virtio_pci virtio_net loop squashfs overlay 9pnet_virtio 9p" ];
    init = modules:
      let begin = "### begin: nixos-compose, ";
      in derive.writeText "stage1.vm.sh" (builtins.replaceStrings
        [ begin "stage-1-cmds.nix" ]
        [ (builtins.replaceStrings [ "@modules@" ] [ "${modules}" ]
            (builtins.readFile ./guest/stage1.vm.sh) + begin) "vm-stage-1-cmds.nix" ]
        (builtins.readFile ./guest/stage1.sh));
  };

  base = derive.run "debian-base" {
    inherit modules;
    debs = sources baseNames;
    sshdConfig = ./guest/sshd_config;
    systemConf = ./guest/system.conf;
    units = ./guest/units;
  } (unpack + builtins.readFile ./build/base.sh);

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
