{
  description = "A stand-in for a Grid'5000 site: its standard environment and its frontend";

  outputs = { self }: {
    packages.x86_64-linux = (import ./nxc { lock = ./debian.lock.json; }).compose {
      composition = ./composition.nix;
    };
  };
}
