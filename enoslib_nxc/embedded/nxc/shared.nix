# Shared directories and the users who have their homes there: NXC's `nxc.users` and
# `nxc.sharedDirs`, with its names and meaning (nix/flavours/shared/nxc.nix of NXC 0.7.11).
#
# NFSv4 by the kernel, which needs no rpcbind and no lock manager of its own; with docker NXC's
# volume, as its nxc-shared-dirs-docker.nix has it. Users get the same number in every role that
# lists the same names.
{ config, lib, pkgs, ... }:
let
  inherit (config.nxc) users sharedDirs;
  package = name: pkgs.${name} or
    (throw "nxc.sharedDirs needs ${name}, which debian.lock.json does not have: enoslib-nxc lock --add nfs-kernel-server DIRECTORY");
  named = keep: lib.filter (name: keep sharedDirs.${name}) (lib.attrNames sharedDirs);
  exported = named (one: one.export);
  mounted = named (one: one.server != "");
  unit = directory: "nxc-shared${builtins.replaceStrings [ "/" ] [ "-" ] directory}";
  outside = { ConditionVirtualization = "!container"; };

  export = {
    nxc-shared-export = {
      description = "Export of shared directories";
      wantedBy = [ "multi-user.target" ];
      path = [ (package "nfs-kernel-server") ];
      # what is exported starts empty with this system: there is nothing to be reclaimed
      script = ''
        modprobe nfsd
        mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
        mkdir -p /var/lib/nfs/v4recovery
        touch /var/lib/nfs/etab /var/lib/nfs/rmtab
        exportfs -ra
        rpc.nfsd --no-nfs-version 3 --lease-time 10 --grace-time 10 8
        echo Y > /proc/fs/nfsd/v4_end_grace
      '';
      unitConfig = outside;
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; Restart = "on-failure"; };
    };
    nxc-shared-mountd = {
      description = "Who may mount shared directories";
      wantedBy = [ "multi-user.target" ];
      requires = [ "nxc-shared-export.service" ];
      after = [ "nxc-shared-export.service" ];
      script = "exec rpc.mountd --foreground --no-nfs-version 3";
      unitConfig = outside;
      serviceConfig.Restart = "on-failure";
    };
  };

  # tried until the server is there
  mount = directory: lib.nameValuePair (unit directory) {
    description = "Shared directory ${directory} of ${sharedDirs.${directory}.server}";
    wantedBy = [ "multi-user.target" ];
    path = [ (package "nfs-common") ];
    script = ''
      mountpoint -q ${directory} ||
        mount -t nfs -o vers=4.2 ${sharedDirs.${directory}.server}:${directory} ${directory}
    '';
    unitConfig = outside // { StartLimitIntervalSec = 0; };
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      Restart = "on-failure";
      RestartSec = 1;
    };
  };

  bound = directory: ''
    mkdir -p ${directory}
    [ "$container" != docker ] || {
      mkdir -p /var/nxc/shared${directory}
      $b mount --bind /var/nxc/shared${directory} ${directory}
    }
  '';
in {
  users.users = lib.listToAttrs (lib.genList (place:
    let name = lib.elemAt users.names place;
    in lib.nameValuePair name {
      isNormalUser = true;
      home = lib.mkDefault "${users.prefixHome}/${name}";
      uid = lib.mkDefault (2000 + place);
    }) (lib.length users.names));

  systemd.services = lib.optionalAttrs (exported != [ ]) export
    // lib.listToAttrs (map mount mounted);

  environment.etc = lib.optionalAttrs (exported != [ ]) {
    # a number for each, since the file system of a ramdisk has none
    "exports".text = lib.concatStrings (lib.genList (place:
      "${lib.elemAt exported place} *(rw,no_subtree_check,fsid=${toString (place + 1)},no_root_squash)\n")
      (lib.length exported));
  };

  nxc.sharedDirsBootCommands = lib.concatMapStrings bound (lib.unique (exported ++ mounted));
}
