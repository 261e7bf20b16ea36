# Accounts and wrappers of a role, as commands for stage 2: they change nothing when they
# run again on a root that is kept.
{ lib }:
config:
let
  users = lib.attrNames config.users.users;

  # those that name no uid get one by their order, from NixOS's first on
  account = number: name:
    let
      user = config.users.users.${name};
      uid = if user.uid == null then 1000 + number else user.uid;
      home = if user.home == "" then "/home/${name}" else user.home;
      keys = user.openssh.authorizedKeys.keys;
    in ''
      grep -q '^${name}:' /etc/passwd || {
        echo '${name}:x:${toString uid}:100:${user.description}:${home}:/bin/bash' >> /etc/passwd
        echo '${name}:*:19000:0:99999:7:::' >> /etc/shadow
      }
      [ -d ${home} ] || { mkdir -p ${home} && chown ${toString uid}:100 ${home}; }
    '' + lib.optionalString (keys != [ ]) ''
      mkdir -p ${home}/.ssh
      printf '%s\n' ${lib.concatMapStringsSep " " lib.escapeShellArg keys} > ${home}/.ssh/authorized_keys
      chown -R ${toString uid}:100 ${home}/.ssh
    '';

  # what must be setuid is copied: the store keeps no such bits
  wrapper = name:
    let given = config.security.wrappers.${name};
    in ''
      mkdir -p /run/wrappers/bin
      cp -L ${given.source} /run/wrappers/bin/${name}
      chmod ${if given.setuid then "4755" else "755"} /run/wrappers/bin/${name}
    '';
in lib.concatStrings (lib.genList (n: account n (lib.elemAt users n)) (lib.length users))
  + lib.concatMapStrings wrapper (lib.attrNames config.security.wrappers)
