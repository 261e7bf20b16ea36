# A site's frontend: accounts whose ~/public the site serves, DHCP and DNS, NFS.
{ pkgs, ... }: {
  environment.systemPackages = with pkgs; [ curl nfs-kernel-server xz-utils ];

  # A disk, where there is one, holds what is exported: homes and stores outgrow a memory.
  nxc.postBootCommands = ''
    mkdir -p /export
    modprobe virtio_blk
    [ -b /dev/vda ] && mount /dev/vda /export
    mkdir -p /export/home /export/nix/store
    cp -a /home/. /export/home/
    mount --bind /export/home /home
  '';

  environment.etc = {
    # a ramdisk's file system has no number of its own
    "exports".text = "/export *(rw,fsid=1,no_subtree_check,root_squash)\n";

    # As the site's web server: http://public/~USER/. What it serves has ETag, Last-Modified
    # and Content-Length, which Kadeploy asks for.
    "lighttpd.conf".text = ''
      server.modules = ("mod_access", "mod_userdir", "mod_proxy")
      server.document-root = "/srv"
      server.port = 80
      userdir.path = "public"
      userdir.basepath = "/home/"
      mimetype.assign = ("" => "application/octet-stream")
      # local kavlans have no way out of themselves
      $HTTP["remoteip"] == "192.168.192.0/18" { url.access-deny = ("") }
      # who may log in where: OAR is outside, behind QEMU
      $HTTP["host"] =~ "^oar\." {
        proxy.server = ("" => (("host" => "10.0.2.101", "port" => 80)))
      }
    '';
  };

  systemd.services = {
    dhcp = {
      wantedBy = [ "multi-user.target" ];
      path = [ pkgs.dnsmasq-base ];
      script = builtins.readFile ./dhcp.sh;
      serviceConfig.Restart = "on-failure";
    };

    http = {
      wantedBy = [ "multi-user.target" ];
      script = "exec ${pkgs.lighttpd}/usr/sbin/lighttpd -D -f /etc/lighttpd.conf";
      serviceConfig.Restart = "on-failure";
    };

    rpcbind = {
      wantedBy = [ "multi-user.target" ];
      # its account, which the package's maintainer script would make
      script = ''
        grep -q '^_rpc:' /etc/passwd ||
          echo '_rpc:x:119:65534::/run/rpcbind:/usr/sbin/nologin' >> /etc/passwd
        mkdir -p /run/rpcbind
        exec rpcbind -f
      '';
    };

    nfs = {
      wantedBy = [ "multi-user.target" ];
      requires = [ "rpcbind.service" ];
      after = [ "rpcbind.service" ];
      script = builtins.readFile ./nfs.sh;
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; Restart = "on-failure"; };
    };

    nfs-mountd = {
      wantedBy = [ "multi-user.target" ];
      requires = [ "nfs.service" ];
      after = [ "nfs.service" ];
      script = "exec rpc.mountd --foreground --no-nfs-version 4";
      serviceConfig.Restart = "on-failure";
    };
  };
}
