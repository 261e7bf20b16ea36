# The Python package for nixpkgs. EnOSlib and its Ansible are not in nixpkgs: they are taken
# from the Python environment that the caller gives.
{ lib, buildPythonApplication, setuptools, pydantic, rich, click, pyyaml, psutil
, enoslib ? null, src, tools }:

buildPythonApplication {
  pname = "enoslib-nxc";
  version = "0.1.0";
  pyproject = true;
  inherit src;

  build-system = [ setuptools ];
  dependencies = [ pydantic rich click pyyaml psutil ] ++ lib.optional (enoslib != null) enoslib;
  pythonRemoveDeps = lib.optionals (enoslib == null) [ "enoslib" "python-grid5000" ];
  makeWrapperArgs = [ "--prefix PATH : ${lib.makeBinPath tools}" ];
  doCheck = false; # the system tests boot machines

  meta = {
    description = "An EnOSlib provider for NixOS";
    license = lib.licenses.gpl3Plus;
    mainProgram = "enoslib-nxc";
  };
}
