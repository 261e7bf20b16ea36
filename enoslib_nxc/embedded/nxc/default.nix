# Compositions of NixOS Compose (NXC) made of Debian packages, without nixpkgs.
#
#   packages.x86_64-linux = (import ./nxc { lock = ./debian.lock.json; }).compose {
#     composition = ./composition.nix;
#   };
#
# The attributes of `compose` are NXC's: "NAME::FLAVOUR" for each composition, and
# "::FLAVOUR" for the image of all, when there are several.
{ lock, system ? "x86_64-linux" }:
let
  lib = import ./lib.nix;
  derive = import ./derive.nix { inherit system lib; };
  debian = import ./debian.nix { inherit lib derive lock; };
  pkgs = debian.packages // debian.fromPip // {
    inherit lib system;
    inherit (derive) writeText writeScript writeShellScript writeShellScriptBin runCommand;
  };
  images = import ./images.nix { inherit lib derive debian system; };
  docker = import ./docker.nix { inherit lib derive debian; };
  nspawn = import ./nspawn.nix { inherit lib derive; };

  # A composition is a path, a function or a set; older ones say `nodes` for `roles`.
  load = arguments: composition:
    let
      loaded = if builtins.isPath composition then import composition else composition;
      result = if builtins.isFunction loaded then loaded arguments else loaded;
    in result // { roles = result.roles or result.nodes; };
in {
  inherit lib pkgs;

  compose =
    { composition ? null
    , compositions ? null
    , name ? "composition"
    , setup ? null
    , flavours ? import ./flavours.nix # a set like that one, with flavours of one's own
    , modules ? [ ] # further modules for every role
    , generation ? "0.7" # of the compose info: "0.7", or "0.6" with {init, closure_info}
    }:
    let
      given =
        if compositions == null then { ${name} = composition; }
        else if builtins.isPath compositions then import compositions
        else compositions;
      settings = if setup == null then { } else import ./setup.nix { inherit lib; } setup;
      roleOf = role: compositionName: own: import ./role.nix {
        inherit lib derive debian pkgs role compositionName;
        modules = own ++ modules;
      };
      # a composition with its roles as systems
      systemsOf = flavour: compositionName: value:
        let loaded = load {
          inherit pkgs lib system flavour;
          setup = settings;
          helpers = { };
          nur = { };
          modulesPath = "";
        } value;
        in loaded // {
          roles = builtins.mapAttrs (role: module: roleOf role compositionName [ module ])
            loaded.roles;
        };
      infoOf = flavour: chosen: images.composeInfo {
        inherit flavour generation;
        base = roleOf "base" "" [ ];
        compositions = builtins.mapAttrs (systemsOf flavour) chosen;
      };
      single = lib.concatMapAttrs (compositionName: value:
        lib.mapAttrs' (flavourName: flavour:
          lib.nameValuePair "${compositionName}::${flavourName}"
            (infoOf flavour { ${compositionName} = value; })) flavours
        // {
          "${compositionName}::docker" = docker.composeInfo { name = "docker"; }
            (systemsOf { name = "docker"; } compositionName value);
          "${compositionName}::nspawn" = nspawn.composeInfo { name = "nspawn"; }
            (systemsOf { name = "nspawn"; } compositionName value);
        }) given;
      several = lib.mapAttrs' (flavourName: flavour:
        lib.nameValuePair "::${flavourName}" (infoOf flavour given)) flavours
        // {
          "::docker" = docker.composeInfoOfAll { name = "docker"; }
            (builtins.mapAttrs (systemsOf { name = "docker"; }) given);
        };
    in single // (if builtins.length (builtins.attrNames given) > 1 then several else { });
}
