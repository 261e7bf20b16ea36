# Derivations built with the host's own programs, in /bin and /usr.
#
# Under a sandbox these directories must be visible (sandbox-paths). Each script gets the
# same clean environment, so that results do not depend on who builds them.
{ system, lib }:
rec {
  run = name: variables: script: derivation ({
    inherit name system script;
    builder = "/bin/bash";
    args = [ "-euo" "pipefail" "-c" "umask 022; cd \"$NIX_BUILD_TOP\"; source \"$scriptPath\"" ];
    passAsFile = [ "script" ] ++ variables.passAsFile or [ ];
    PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
    LC_ALL = "C";
    TZ = "UTC";
    SOURCE_DATE_EPOCH = "1";
  } // removeAttrs variables [ "passAsFile" ]);

  runCommand = name: variables: script: run name variables script;

  writeText = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''
    cp "$textPath" "$out"
  '';

  writeScript = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''
    cp "$textPath" "$out"
    chmod 755 "$out"
  '';

  writeShellScript = name: text: writeScript name "#!/bin/bash\n${text}";

  writeShellScriptBin = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''
    mkdir -p "$out/bin"
    { echo '#!/bin/bash'; cat "$textPath"; } > "$out/bin/${name}"
    chmod 755 "$out/bin/${name}"
  '';

  # A file that must already be in the store, brought there by the fetch step, as nixpkgs'
  # requireFile does: pure, and without any path of the machine.
  requireFile = { filename, sha256, ... }: derivation {
    name = filename;
    inherit system;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = sha256;
    builder = "/bin/sh";
    args = [ "-c" "echo ${filename} is not in the store: run enoslib-nxc fetch >&2; exit 1" ];
  };

  # What is in the closure of some paths, in the form of nixpkgs' closureInfo:
  # store-paths, registration (for nix-store --load-db) and total-nar-size.
  closureInfo = PATH: name: roots: derivation {
    inherit name system PATH;
    builder = "/bin/bash";
    __structuredAttrs = true;
    exportReferencesGraph.closure = roots;
    args = [ "-euo" "pipefail" "-c" (builtins.readFile ./build/closure-info.sh) ];
  };
}
