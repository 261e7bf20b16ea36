# Evaluates a composition as NXC 0.7.11 does (nix/generate_one_composition_info.nix), without
# nixpkgs: a package is but a name, an unknown one an error. Gives what JSON can say.
{ directory, flavour, variant ? "" }:
let
  package = name: {
    inherit name;
    outPath = "/nix/store/${name}";
  };

  lib = {
    mkForce = value: value;
    optional = wanted: value: if wanted then [ value ] else [ ];
  };

  # seen in nixpkgs by these names
  pkgs = builtins.listToAttrs (map (name: { inherit name; value = package name; }) [
    "busybox"
    "curl"
    "jq"
    "k3s"
    "mariadb"
    "mpi"
    "openssh"
    "prrte"
  ]) // {
    dockerTools.buildImage = { name, tag, copyToRoot, config }: package "docker-image-${name}";
    python3 = package "python3" // {
      withPackages = chosen:
        package "python3-with-${(builtins.head (chosen { mpi4py = package "mpi4py"; })).name}";
    };
    writeScriptBin = name: text: package name // { inherit text; };
    writeShellScriptBin = name: text: package name // { inherit text; };
    writeText = name: text: package name // { inherit text; };
  };

  config.services.slurm = {
    package = package "slurm";
    etcSlurm = package "etc-slurm";
  };

  # what NXC's setup.nix makes of the file, as far as parameters go
  parameters = file:
    let content = builtins.fromTOML (builtins.readFile file);
    in content.params // (if variant == "" then { } else content.${variant}.params);

  flake = (import (directory + "/flake.nix")).outputs {
    self = { };
    nixpkgs = { };
    nxc.lib.compose = given: given;
  };
  given = flake.packages.x86_64-linux;

  composition = import given.composition {
    inherit pkgs lib;
    system = given.system;
    modulesPath = "/modules";
    helpers = { };
    nur = { };
    flavour.name = flavour;
    setup.params = parameters given.setup;
  };

  # a role as the list of its modules, without their imports
  modules = module:
    let
      value = if builtins.isFunction module then module { inherit config lib pkgs; } else module;
    in builtins.concatLists (map modules (value.imports or [ ]))
    ++ [ (plain (builtins.removeAttrs value [ "imports" ])) ];

  # packages by their names, where JSON would have their paths
  plain = value:
    if builtins.isList value then
      map plain value
    else if value ? outPath then
      value.name
    else if builtins.isAttrs value then
      builtins.mapAttrs (_: plain) value
    else
      value;
in {
  inherit (composition) rolesDistribution testScript;
  dockerPorts = composition.dockerPorts or { };
  extraVolumes = composition.extraVolumes or [ ];
  roles = builtins.mapAttrs (_: modules) composition.roles;
}
