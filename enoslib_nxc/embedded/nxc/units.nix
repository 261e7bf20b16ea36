# The systemd units of a role, written as NixOS writes them.
{ lib, derive }:
config:
let
  scriptOf = name: kind: text: derive.writeShellScript "unit-script-${name}-${kind}" "set -e\n${text}\n";
  value = given: if given == true then "true" else if given == false then "false" else toString given;
  lines = set: lib.concatStrings (lib.concatLists (lib.mapAttrsToList
    (name: given: map (one: "${name}=${value one}\n") (lib.toList given)) set));
  words = key: list: lib.optionalAttrs (list != [ ]) { ${key} = lib.concatStringsSep " " list; };
  exec = name: key: kind: text: lib.optionalAttrs (text != "") { ${key} = "${scriptOf name kind text}"; };
  quoted = text: "\"${builtins.replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] text}\"";

  unit = name: service: ''
    [Unit]
    ${lines ({ Description = if service.description == "" then name else service.description; }
      // words "Wants" service.wants // words "Requires" service.requires
      // words "BindsTo" service.bindsTo // words "PartOf" service.partOf
      // words "Conflicts" service.conflicts
      // words "After" service.after // words "Before" service.before // service.unitConfig)}
    [Service]
    ${lines ({
        Environment = lib.mapAttrsToList (key: given: quoted "${key}=${toString given}")
          service.environment;
      } // exec name "ExecStartPre" "pre-start" service.preStart
        // exec name "ExecStart" "start" service.script
        // exec name "ExecStartPost" "post-start" service.postStart
        // service.serviceConfig)}
  '';

  services = lib.filterAttrs (_: service: service.enable) config.systemd.services;
in derive.run "units" {
  names = map (name: "${name}.service") (lib.attrNames services);
  texts = lib.mapAttrsToList (name: service: derive.writeText "unit-${name}.service" (unit name service))
    services;
  # TARGET.wants/UNIT and TARGET.requires/UNIT
  links = lib.concatLists (lib.mapAttrsToList (name: service:
    map (target: "${target}.wants/${name}.service") service.wantedBy
    ++ map (target: "${target}.requires/${name}.service") service.requiredBy) services);
} (builtins.readFile ./build/units.sh)
