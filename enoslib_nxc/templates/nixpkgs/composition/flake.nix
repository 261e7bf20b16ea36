{
  description = "An experiment on NixOS, for EnOSlib";

  inputs = {
    # NixOS 26.05 and later use a systemd stage 1, which NixOS Compose does not support yet
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
    nxc.url = "git+https://gitlab.inria.fr/nixos-compose/nixos-compose.git";
  };

  outputs = { self, nixpkgs, nxc }:
    let system = "x86_64-linux";
    in {
      packages.${system} = nxc.lib.compose {
        inherit nixpkgs system;
        composition = ./composition.nix;
      };
    };
}
