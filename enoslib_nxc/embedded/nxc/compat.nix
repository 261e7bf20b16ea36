# enoslib.compat: what EnOSlib's services need on machines, by the services' names. The table
# is compat.json; the NixOS module of the same names, nix/compat.nix, reads it too.
{ subject }:
{ config, lib, pkgs, ... }:
let
  table = (builtins.fromJSON (builtins.readFile ./compat.json)).names;
  known = lib.concatStringsSep ", "
    (lib.attrNames (lib.filterAttrs (_: given: given.debian != null) table));
  fail = text: throw "${subject}: enoslib.compat: ${text}";
  lacking = lib.filter (name: ! pkgs ? ${name});

  # A name with what it brings, or what is wrong with it.
  choose = name:
    let
      given = table.${name} or (fail "there is no `${name}'. It knows: ${known}.");
      wheels = given.wheels or [ ];
      missing = lacking given.debian;
      needs = what: command:
        fail "`${name}' needs ${toString what}, which debian.lock.json does not have: ${command} DIRECTORY";
    in if given.debian == null then fail "`${name}': ${given.reason}."
    else if missing != [ ] then needs missing
      "enoslib-nxc lock ${lib.concatMapStringsSep " " (one: "--add ${one}") missing}"
    else if lacking wheels != [ ] then needs (lacking wheels) "enoslib-nxc lock"
    else { inherit name given; packages = given.debian ++ wheels; };
  chosen = map choose (lib.unique config.enoslib.compat);

  file = path: source: ''
    mkdir -p ${builtins.dirOf path}
    cp ${./compat + "/${source}"} ${path}
    chmod 755 ${path}
  '';
  docker = builtins.any (one: lib.elem "docker.io" one.given.debian) chosen;
in {
  environment.systemPackages = map (name: pkgs.${name})
    (lib.unique (lib.concatMap (one: one.packages) chosen));
  environment.etc."enoslib-compat" = lib.mkIf (chosen != [ ]) {
    text = lib.concatMapStrings (one: "${one.name}\n") chosen;
  };
  # what maintainer scripts would do, which are not run
  systemd.services.docker = lib.mkIf docker {
    description = "Docker";
    wantedBy = [ "multi-user.target" ];
    script = "exec dockerd --group root";
    serviceConfig = { Delegate = true; KillMode = "process"; LimitNOFILE = "infinity"; };
  };
  boot.postBootCommands = lib.optionalString docker ''
    for program in iptables ip6tables; do
      ln -sf xtables-legacy-multi /usr/sbin/$program
      ln -sf ../sbin/$program /usr/bin/$program
    done
  '' + lib.concatMapStrings ({ given, ... }:
    lib.concatStrings (lib.mapAttrsToList file (given.files or { }))) chosen;
}
