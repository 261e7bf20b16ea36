# The same people everywhere, with the same numbers: homes are shared by NFS.
{ pkgs, lib, config, ... }: {
  users.users = {
    ada = { isNormalUser = true; uid = 10001; };
    grace = { isNormalUser = true; uid = 10002; };
  };

  nxc.postBootCommands = lib.concatMapStrings (name: ''
    jq -r '.parameters.keys.${name} // ."ssh_key.pub" // empty' /etc/nxc/deployment.json > /run/key
    mkdir -p /home/${name}/.ssh /home/${name}/public
    grep -qsxF -f /run/key /home/${name}/.ssh/authorized_keys ||
      cat /run/key >> /home/${name}/.ssh/authorized_keys
    chown -R ${name}:users /home/${name}
  '') (lib.attrNames config.users.users);
}
