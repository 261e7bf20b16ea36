# A node in the standard environment: Debian, where a user becomes root with sudo-g5k.
{ pkgs, ... }:
let
  may = pkgs.writeShellScriptBin "g5k-may" (builtins.readFile ./may.sh);
  keys = pkgs.writeShellScriptBin "g5k-keys" (builtins.readFile ./keys.sh);
in {
  environment.systemPackages = with pkgs; [
    curl
    e2fsprogs
    nfs-common # homes
    xz-utils
    may
    (writeShellScriptBin "sudo-g5k" (builtins.readFile ./sudo-g5k.sh))
  ];

  # On a site: its names, its homes, and who may log in.
  nxc.postBootCommands = ''
    domain=$(jq -r '.parameters.domain // empty' /etc/nxc/deployment.json)
    if [ -n "$domain" ]; then
      echo "$domain" > /etc/grid5000/domain
      jq -r '.parameters.release // empty' /etc/nxc/deployment.json > /run/release
      [ ! -s /run/release ] || cat /run/release > /etc/grid5000/release
      gateway=$(ip route show default | awk '{ print $3; exit }')
      printf 'nameserver %s\nsearch %s\noptions timeout:1\n' "$gateway" "$domain" > /etc/resolv.conf
      printf '%s\n' 'Match User *,!root' '  AuthorizedKeysFile none' \
        '  AuthorizedKeysCommand ${keys}/bin/g5k-keys %u' '  AuthorizedKeysCommandUser root' \
        > /etc/ssh/sshd_config.d/site.conf
    fi
  '';

  systemd.services.home = {
    wantedBy = [ "multi-user.target" ];
    unitConfig = {
      ConditionPathExists = "/etc/grid5000/domain";
      StartLimitIntervalSec = 0; # the frontend may come up much later
    };
    script = ''
      read -r domain < /etc/grid5000/domain
      mountpoint -q /home || mount -t nfs -o vers=3,nolock,soft "nfs.$domain:/export/home" /home
    '';
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      Restart = "on-failure";
      RestartSec = 1;
    };
  };

  environment.etc = {
    # what EnOSlib compares with the environment that a job asks for
    "grid5000/release".text = "debian12-x64-std\n";
    "sudoers" = {
      mode = "0440";
      text = ''
        Defaults env_reset, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
        root ALL=(ALL) ALL
        %users ALL=(ALL) NOPASSWD: ALL
      '';
    };
  };

  security.wrappers.sudo = { source = "${pkgs.sudo}/bin/sudo"; setuid = true; };
}
