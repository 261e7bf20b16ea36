# What EnOSlib's services need on machines, by the services' names, for NixOS:
#
#   imports = [ enoslib-nxc.nixosModules.enoslib-compat ];   # or NXC's extraConfigurations
#   enoslib.compat = [ "netem" "dstat" ];
#
# The table is that of the embedded library, which has the same option.
{ config, lib, pkgs, ... }:
let
  library = ../enoslib_nxc/embedded/nxc;
  table = lib.filterAttrs (name: given: given ? nixpkgs || given ? nixos)
    (builtins.fromJSON (builtins.readFile (library + "/compat.json"))).names;
  chosen = map (name: table.${name}) config.enoslib.compat;
  all = key: lib.unique (lib.concatMap (given: given.${key} or [ ]) chosen);

  sw = "/run/current-system/sw/bin";
  # tasks say /usr/bin/python3 or /bin/bash, and look for files below /usr/lib/python*
  links = [
    "L+ /usr/bin/python3 - - - - ${sw}/python3"
    "L+ /bin/bash - - - - ${sw}/bash"
    "d /usr/lib/python3 0755 root root -"
  ];
  file = path: source: [
    "d ${builtins.dirOf path} 0755 root root -"
    "C+ ${path} 0755 root root - ${library + "/compat/${source}"}"
  ];
  # for each name of the table: which options are set must not depend on the configuration
  settings = name: given: lib.mapAttrsToList (option: value:
    lib.mkIf (lib.elem name config.enoslib.compat)
      (lib.setAttrByPath (lib.splitString "." option) value)) (given.nixos or { });
in {
  options.enoslib.compat = lib.mkOption {
    type = lib.types.listOf (lib.types.enum (lib.attrNames table));
    default = [ ];
    example = [ "netem" "dstat" ];
    description = "Services of EnOSlib whose programs, Python packages and files this system has.";
  };

  config = lib.mkIf (chosen != [ ]) (lib.mkMerge ([
    {
      environment.systemPackages = map (name: pkgs.${name}) (all "nixpkgs") ++ [
        # over a python3 of the composition's own
        (lib.hiPrio (pkgs.python3.withPackages (packages: map (name: packages.${name}) (all "python"))))
      ];
      environment.etc."enoslib-compat".text =
        lib.concatMapStrings (name: "${name}\n") (lib.unique config.enoslib.compat);
      boot.kernelModules = all "kernelModules";
      systemd.tmpfiles.rules = links ++ lib.concatMap
        (given: lib.concatLists (lib.mapAttrsToList file (given.files or { }))) chosen;
    }
  ] ++ lib.concatLists (lib.mapAttrsToList settings table)));
}
