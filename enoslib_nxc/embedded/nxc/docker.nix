# The flavour docker: NXC's compose info for containers, and the compose file that it names.
#
# The image holds nothing: as with NXC, a role's system comes by /nix/store.
{ lib, derive, debian }:
let
  image = derive.run "nxc-docker-base-image.tar" {
    PATH = debian.toolsPath;
    tag = "nxc-debian-base-image:latest";
  } (builtins.readFile ./build/docker-image.sh);

  # One service for each role, in the words of NXC's generate_docker_compose.nix.
  service = value: role: system: {
    privileged = true;
    cgroup = "host";
    cap_add = [ "SYS_ADMIN" "SYS_NICE" ];
    command = [ "${system.toplevel}/init" ];
    environment = {
      NIX_REMOTE = "";
      PATH = "/bin:/usr/bin:/run/current-system/sw/bin";
      container = "docker";
    };
    hostname = role;
    image = "nxc-debian-base-image:latest";
    stop_signal = "SIGINT";
    tmpfs = [ "/run" "/run/wrappers:exec,suid" "/tmp:exec,mode=777" ];
    tty = true;
    volumes = [
      "/sys/fs/cgroup:/sys/fs/cgroup:rw"
      "/nix/store:/nix/store:ro"
      "/tmp/shared:/tmp/shared:rw"
      "nxc-shared:/var/nxc/shared"
    ] ++ value.extraVolumes or [ ];
    ports = (value.dockerPorts or { }).${role} or [ ];
  };

  composeFile = value: derive.writeText "docker-compose" (builtins.toJSON {
    x-nxc = { image = "${image}"; };
    volumes = { nxc-shared = null; };
    services = builtins.mapAttrs (service value) value.roles;
  });
  described = value: {
    image = "${image}";
    roles = lib.attrNames value.roles;
    docker-compose-file = "${composeFile value}";
    test_script = "${derive.writeText "test-script" (value.testScript or "")}";
  } // lib.optionalAttrs (value ? rolesDistribution) {
    roles_distribution = value.rolesDistribution;
  };
in {
  # value: a composition, its roles as systems.
  composeInfo = flavour: value: derive.writeText "compose-info.json"
    (builtins.toJSON (described value // { flavour = flavour.name; }));

  # Of all compositions, under their names as in the other flavours. NXC makes no "::docker":
  # its images hold nothing, so one is that of all compositions anyway.
  composeInfoOfAll = flavour: values: derive.writeText "compose-info.json" (builtins.toJSON {
    flavour = flavour.name;
    compositions_info = builtins.mapAttrs (_: described) values;
  });
}
