# enoslib.compat: what EnOSlib's services need on machines, by the services' names. The table
# is compat.json; the NixOS module of the same names, nix/compat.nix, reads it too.
{ subject }:
{ config, lib, pkgs, ... }:
let
  table = (builtins.fromJSON (builtins.readFile ./compat.json)).names;
  known = lib.concatStringsSep ", " (lib.attrNames table);
  chosen = map (name: {
    inherit name;
    given = table.${name} or (throw
      "${subject}: enoslib.compat has no `${name}'. It knows: ${known}.");
  }) (lib.unique config.enoslib.compat);

  package = name: debian: pkgs.${debian} or (throw
    "${subject}: enoslib.compat: `${name}' needs the package ${debian}, which debian.lock.json does not have: enoslib-nxc lock --add ${debian} DIRECTORY");
  wheel = name: wanted: pkgs.${wanted} or (throw
    "${subject}: enoslib.compat: `${name}' needs the wheel ${wanted}, which debian.lock.json does not have: take `wheels' over from the lock that comes with enoslib-nxc");

  file = path: source: ''
    mkdir -p ${builtins.dirOf path}
    cp ${./compat + "/${source}"} ${path}
    chmod 755 ${path}
  '';
in {
  environment.systemPackages = lib.concatMap ({ name, given }:
    map (package name) given.debian ++ map (wheel name) (given.wheels or [ ])) chosen;
  environment.etc."enoslib-compat" = lib.mkIf (chosen != [ ]) {
    text = lib.concatMapStrings (one: "${one.name}\n") chosen;
  };
  boot.postBootCommands = lib.concatMapStrings ({ given, ... }:
    lib.concatStrings (lib.mapAttrsToList file (given.files or { }))) chosen;
}
