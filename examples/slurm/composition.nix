# Slurm as Melissa needs it: a controller, accounting in a database, compute nodes, a front end.
{ pkgs, lib, setup, ... }:
let
  nodes = setup.params.nodes or 2;
  cpus = setup.params.cpus or 1;

  # NXC's rule for host names: one node has the name of its role, several are numbered
  names = if nodes == 1 then "node" else "node[1-${toString nodes}]";

  # 32 characters at least (munged(8)). In the image, so not secret: choose your own where
  # others can reach the machines
  mungeKey = "an-example-of-a-munge-key-that-is-no-secret";

  # Slurm carries the name of the program only: every machine has it under the same path
  study = pkgs.writeScriptBin "study"
    ("#!${pkgs.python3}/bin/python3\n" + builtins.readFile ./study.py);

  common = {
    # NXC's docker flavour names all machines of a role alike; Slurm tells them by their names
    networking.hostName = lib.mkForce "";
    # python3: EnOSlib drives machines with Ansible
    environment.systemPackages = [ pkgs.python3 study ];
    systemd.tmpfiles.rules = [ "f /etc/munge/munge.key 0400 munge munge - ${mungeKey}" ];
    services.slurm = {
      controlMachine = "server";
      nodeName = [ "${names} CPUs=${toString cpus} State=UNKNOWN" ];
      partitionName = [ "all Nodes=ALL Default=YES MaxTime=INFINITE State=UP" ];
      extraConfig = ''
        AccountingStorageType=accounting_storage/slurmdbd
        AccountingStorageHost=dbd
        ReturnToService=2
      '';
      # containers do not own their control groups
      extraCgroupConfig = "CgroupPlugin=disabled";
    };
  };
in {
  roles = {
    server = { config, ... }: {
      imports = [ common ];
      services.slurm.server.enable = true;
      # slurmctld gives up if the database is not there or does not know the cluster
      systemd.services.slurm-cluster = {
        description = "The cluster's entry in the accounting database";
        wantedBy = [ "multi-user.target" ];
        requiredBy = [ "slurmctld.service" ];
        before = [ "slurmctld.service" ];
        after = [ "munged.service" ];
        path = [ config.services.slurm.package ];
        environment.SLURM_CONF = "${config.services.slurm.etcSlurm}/slurm.conf";
        script = ''
          until sacctmgr --noheader show cluster > /dev/null; do sleep 1; done
          sacctmgr --immediate add cluster default || true # it may be there
        '';
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          TimeoutStartSec = 600;
        };
      };
    };

    dbd = {
      imports = [ common ];
      # NXC leaves networking.hostName empty, from which dbdHost would be taken
      services.slurm.dbdserver = {
        enable = true;
        dbdHost = "dbd";
      };
      # the database knows Slurm by its socket: no password
      services.mysql = {
        enable = true;
        package = pkgs.mariadb;
        ensureDatabases = [ "slurm_acct_db" ];
        ensureUsers = [
          {
            name = "slurm";
            ensurePermissions."slurm_acct_db.*" = "ALL PRIVILEGES";
          }
        ];
        settings.mysqld = {
          bind-address = "127.0.0.1";
          innodb_lock_wait_timeout = 900;
        };
      };
    };

    node = {
      imports = [ common ];
      services.slurm.client.enable = true;
      systemd.services.slurmd.after = [ "munged.service" ];
    };

    frontend = {
      imports = [ common ];
      services.slurm.enableStools = true;
    };
  };

  # slurm.conf names the nodes, so their number is decided here
  rolesDistribution = {
    server = 1;
    dbd = 1;
    node = nodes;
    frontend = 1;
  };

  testScript = ''
    start_all()
    dbd.wait_for_unit("slurmdbd")
    server.wait_for_unit("slurmctld")
    frontend.wait_until_succeeds("sinfo --noheader --format %T | grep idle")
    assert "4 clients" in frontend.succeed("srun --nodes 1 study serve 4")
    frontend.wait_until_succeeds("sacct --noheader --allocations --format JobName | grep clients")
  '';
}
