# Reads setup.toml as NXC does: the selected variant over the rest, override-params over params.
{ lib }:
file:
let
  raw = builtins.fromTOML (builtins.readFile file);
  variant = raw.project.selected or "";
  chosen =
    if variant == "" then lib.recursiveUpdate raw { project.selected = ""; }
    else if raw ? ${variant} then lib.recursiveUpdate raw raw.${variant}
    else throw "setup.toml selects the variant `${variant}', which it does not define";
in chosen // lib.optionalAttrs (chosen ? params || chosen ? override-params) {
  params = chosen.params or { } // chosen.override-params or { };
}
