{
  description = "Machines for EnOSlib's tutorials, of Debian packages";

  # No inputs: packages come from debian.lock.json; ./nxc is put here when it is built.
  outputs = { self }: {
    packages.x86_64-linux = (import ./nxc { lock = ./debian.lock.json; }).compose {
      composition = ./composition.nix;
    };
  };
}
