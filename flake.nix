{
  description = "An EnOSlib provider for NixOS: the package, a development shell, checks, and a project template";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      forAll = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      # what the package calls while it works
      tools = pkgs: with pkgs; [ nix qemu vde2 openssh ];
      # what the embedded composition is built with
      builders = pkgs: with pkgs; [ dpkg squashfsTools cpio jq zstd xz ];
    in
    {
      packages = forAll (pkgs: {
        default = pkgs.python3Packages.callPackage ./nix/package.nix {
          src = self;
          tools = tools pkgs;
        };
      });

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          packages = tools pkgs ++ builders pkgs ++ [ pkgs.python3 pkgs.ruff pkgs.tmux ];
          # enoslib is not in nixpkgs: pip brings it into a virtual environment
          shellHook = ''
            [ -d .venv ] || python3 -m venv .venv
            . .venv/bin/activate
            pip install --quiet -e '.[dev]'
          '';
        };
      });

      checks = forAll (pkgs: {
        format = pkgs.runCommand "ruff-format" { nativeBuildInputs = [ pkgs.ruff ]; } ''
          cd ${self} && ruff format --no-cache --check . && ruff check --no-cache . && touch $out
        '';
      });

      # what EnOSlib's services need, by name, for compositions of nixpkgs
      nixosModules.enoslib-compat = ./nix/compat.nix;

      templates.default = {
        path = ./enoslib_nxc/templates/nixpkgs;
        description = "A NixOS Compose composition with a ten-line EnOSlib experiment";
      };
    };
}
