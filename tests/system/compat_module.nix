# Evaluates nix/compat.nix without nixpkgs, by the embedded library's evaluation of modules: as
# NixOS's does, it finds options that do not exist, and a definition that depends on itself.
{ names }:
let
  library = ../../enoslib_nxc/embedded/nxc;
  package = name: { inherit name; outPath = "/nix/store/${name}"; };

  # seen in nixpkgs by these names
  packagesOf = known: builtins.listToAttrs
    (map (name: { inherit name; value = package name; }) known);
  pkgs = packagesOf [ "curl" "dool" "fping" "iproute2" "pciutils" "procps" "tcpdump" "tmux" "which" ] // {
    python3.withPackages = choose: package "python3-with-${
      builtins.concatStringsSep "," (map (one: one.name)
        (choose (packagesOf [ "dask" "distributed" "docker" "locust" "requests" ])))
    }";
  };

  nixpkgs = {
    hiPrio = given: given // { name = "first:${given.name}"; };
    mkOption = given: given;
    types = {
      listOf = of: { inherit of; };
      enum = known: { inherit known; };
    };
    splitString = separator: text:
      builtins.filter builtins.isString (builtins.split "[${separator}]" text);
    setAttrByPath = path: value:
      if path == [ ] then value
      else { ${builtins.head path} = nixpkgs.setAttrByPath (builtins.tail path) value; };
  };
  lib = import (library + "/lib.nix") // nixpkgs;

  # those of NixOS that the module sets
  option = kind: default: { inherit kind default; };
  options = {
    enoslib.compat = option "list" [ ];
    environment.systemPackages = option "list" [ ];
    environment.etc = { kind = "submodules"; options.text = option "string" ""; };
    boot.kernelModules = option "list" [ ];
    systemd.tmpfiles.rules = option "list" [ ];
    services.cron.enable = option "bool" false;
    virtualisation.docker.enable = option "bool" false;
  };

  module = import ../../nix/compat.nix;
  config = import (library + "/modules.nix") { inherit lib options; } {
    subject = "the module";
    args = { inherit pkgs; };
    modules = [ module { enoslib.compat = names; } ];
  };
in {
  known = (module { inherit config lib pkgs; }).options.enoslib.compat.type.of.known;
  packages = map (one: one.name) config.environment.systemPackages;
  etc = builtins.mapAttrs (_: file: file.text) config.environment.etc;
  modules = config.boot.kernelModules;
  rules = config.systemd.tmpfiles.rules;
  cron = config.services.cron.enable;
  docker = config.virtualisation.docker.enable;
}
