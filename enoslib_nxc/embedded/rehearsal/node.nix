# A node in the standard environment: Debian, where a user becomes root with sudo-g5k.
{ pkgs, ... }: {
  environment.systemPackages = with pkgs; [
    curl
    e2fsprogs
    nfs-common # homes
    xz-utils
    (writeShellScriptBin "sudo-g5k" (builtins.readFile ./sudo-g5k.sh))
  ];

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
