# MPI: the homes of a file server, shared by the machines that programs run on.
{ pkgs, lib, flavour, setup, ... }:
let
  user = "alice";
  home = "/users/${user}";

  python = pkgs.python3.withPackages (packages: [ packages.mpi4py ]);

  common = {
    # NXC's docker flavour names all machines of a role alike
    networking.hostName = lib.mkForce "";
    # prrte starts Open MPI's processes on other machines; EnOSlib's Ansible uses this Python too
    environment.systemPackages = [ python pkgs.mpi pkgs.prrte ];
    nxc.users = {
      names = [ user ];
      prefixHome = "/users";
    };
  };

  # starting a unit of this kind again is to wait until it is done
  once = settings: settings // {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      TimeoutStartSec = 300;
    } // settings.serviceConfig or { };
  };
in {
  roles = {
    # NXC exports one directory of a machine at most: all of them would be NFSv4's root
    server = {
      imports = [ common ];
      nxc.sharedDirs."/users".export = true;
      systemd.services.mpi-key = once {
        description = "A key by which ${user} gets from machine to machine";
        path = [ pkgs.openssh ];
        serviceConfig.User = user;
        script = ''
          umask 077
          mkdir -p ${home}/.ssh
          cd ${home}/.ssh
          [ -e id_ed25519 ] || ssh-keygen -q -t ed25519 -N "" -f id_ed25519
          printf '%s\n' 'Host *' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' \
            'LogLevel ERROR' > config
          cp id_ed25519.pub authorized_keys
        '';
      };
    };

    node = {
      imports = [ common ];
      nxc.sharedDirs."/users".server = "server";
      systemd.services.mpi-home = once {
        description = "The home of ${user}, once the server has it";
        # the server may come up later than its clients, and mounts are not tried again
        script = ''
          until [ -e ${home}/.ssh/authorized_keys ]; do
            systemctl start users.mount || true
            sleep 1
          done
        '';
      };
    };
  };

  rolesDistribution = {
    server = 1;
    node = setup.params.nodes or 2;
  };

  # NXC 0.7.11 shares directories by NFS, and by a volume of docker's; for nspawn by nothing
  extraVolumes = lib.optional (flavour.name == "nspawn") "/var/tmp/nxc-users:/users";

  testScript = ''
    start_all()
    server.wait_for_unit("mpi-key")
    for machine in (node1, node2):
        machine.wait_for_unit("mpi-home")
    server.copy_from_host("${./latency.py}", "${home}/latency.py")
    node1.succeed("printf '%s slots=1\\n' node1 node2 > ${home}/hosts")
    mpirun = "mpirun --hostfile hosts --mca pml ob1 --mca btl tcp,self python3 latency.py"
    assert "2 processes on node1, node2" in node1.succeed(f"su - ${user} -c '{mpirun}'")
  '';
}
