# The flavour nspawn: NXC's compose info for systemd-nspawn, a system for each role.
#
# There is no image: a machine's store is that of its host.
{ lib, derive }:
{
  # value: a composition, its roles as systems.
  composeInfo = flavour: value: derive.writeText "compose-info.json" (builtins.toJSON ({
    roles = lib.attrNames value.roles;
    composition = builtins.mapAttrs (role: system: {
      toplevel = "${system.toplevel}";
      init = "${system.toplevel}/init";
      volumes = value.extraVolumes or [ ];
      ports = (value.nspawnPorts or { }).${role} or [ ];
    }) value.roles;
    test_script = "${derive.writeText "test-script" (value.testScript or "")}";
    flavour = flavour.name;
  } // lib.optionalAttrs (value ? rolesDistribution) {
    roles_distribution = value.rolesDistribution;
  }));
}
