# One role: its modules evaluated, its packages, units and files, its toplevel.
{ lib, derive, debian, pkgs, role, compositionName, modules }:
let
  evaluate = import ./modules.nix { inherit lib; options = import ./options.nix; };
  subject = "role `${role}' of `${compositionName}'";
  config = evaluate {
    inherit subject;
    args = { inherit pkgs; modulesPath = ""; };
    modules = modules ++ [ ./shared.nix (import ./compat.nix { inherit subject; }) ];
  };
  units = import ./units.nix { inherit lib derive; } config;

  accounts = import ./accounts.nix { inherit lib; } config;

  # A package that a unit or a file mentions is installed, with what it needs.
  mentioned = debian.referred (builtins.toJSON [
    (map (lib.filterAttrs (_: value: value != null)) (lib.attrValues config.systemd.services))
    (map (file: [ file.text file.source ]) (lib.attrValues config.environment.etc))
    config.environment.variables
    config.environment.sessionVariables
    config.boot.postBootCommands
    config.nxc.postBootCommands
    config.nxc.sharedDirsBootCommands
    (map (wrapper: wrapper.source) (lib.attrValues config.security.wrappers))
  ]);
  installed = lib.unique (lib.concatMap (package: package.closure or [ package ])
    config.environment.systemPackages ++ mentioned);

  packages = derive.run "role-packages" { packages = map toString installed; }
    (builtins.readFile ./build/packages.sh);

  variables = config.environment.variables // config.environment.sessionVariables;
  assignments = lib.mapAttrsToList (name: value: "${name}=${lib.escapeShellArg value}") variables;
  quoted = text: "\"${builtins.replaceStrings [ "\\" "\"" ] [ "\\\\" "\\\"" ] (toString text)}\"";

  ownFiles = {
    "nxc-composition".text = compositionName;
    "hostname".text = "${config.networking.hostName}\n";
    "profile.d/nxc.sh".text = lib.concatMapStrings (one: "export ${one}\n") assignments;
    "ssh/sshd_config.d/nxc.conf".text = "SetEnv ${lib.concatStringsSep " " (lib.mapAttrsToList
      (name: value: quoted "${name}=${toString value}")
      ({ PATH = "/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"; }
        // variables))}\n";
    "hosts".text = "127.0.0.1 localhost\n::1 localhost\n${config.networking.extraHosts}\n";
    "sysctl.d/60-nxc.conf".text = lib.concatStrings (lib.mapAttrsToList
      (name: value: "${name} = ${toString value}\n") config.boot.kernel.sysctl);
  };
  files = lib.filterAttrs (_: file: file.enable or true) (ownFiles // config.environment.etc);

  etc = derive.run "etc" {
    names = lib.attrNames files;
    sources = lib.mapAttrsToList (name: file:
      if file.source or null != null then file.source
      else derive.writeText "etc-${lib.last (lib.splitSlash name)}" (toString file.text)) files;
    modes = map (file: file.mode or "symlink") (lib.attrValues files);
    inherit units;
  } (builtins.readFile ./build/etc.sh);
in {
  inherit config;
  toplevel = derive.run "nixos-system-${role}-debian" {
    inherit packages etc;
    inherit (debian) base;
    stage2 = ./guest/stage2.sh;
    ready = ./guest/ready.sh;
    kernelModules = config.boot.kernelModules;
    hasSysctl = if config.boot.kernel.sysctl == { } then "" else "1";
    # homes may be in a shared directory
    postBoot = config.nxc.sharedDirsBootCommands + accounts + config.boot.postBootCommands + "\n" + config.nxc.postBootCommands;
    # names only: a ramdisk carries no second copy of the kernel and of itself
    kernelPath = builtins.unsafeDiscardStringContext "${debian.kernel}/bzImage";
    initrdPath = builtins.unsafeDiscardStringContext "${debian.stage1}/initrd";
    passAsFile = [ "postBoot" ];
  } (builtins.readFile ./build/toplevel.sh);
}
