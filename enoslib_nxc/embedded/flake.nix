{
  description = "The composition of enoslib-nxc: NXC's contract with Debian packages";

  # No inputs: packages come from debian.lock.json, the library from ./nxc.
  outputs = { self }:
    let
      nxc = import ./nxc { lock = ./debian.lock.json; };
      arguments = { composition = ./composition.nix; setup = ./setup.toml; };
    in {
      packages.x86_64-linux = nxc.compose arguments;

      # the same with the compose info of NXC 0.6 and older
      older.x86_64-linux = nxc.compose (arguments // { generation = "0.6"; });
    };
}
