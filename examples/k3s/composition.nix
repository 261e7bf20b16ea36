# K3S, the example of the talk on NixOS Compose (IEEE CLUSTER 2022): a server and its agents.
{ pkgs, lib, flavour, setup, ... }:
let
  agents = setup.params.agents or 2;

  # not secret: whoever has it can join, but a cluster like this lives for an hour
  token = "df54383b5659b9280aa1e73e60ef78fc";

  # the one image that pods are made of, so that nothing comes from the Internet
  image = pkgs.dockerTools.buildImage {
    name = "nxc.local/busybox";
    tag = "local";
    copyToRoot = [ pkgs.busybox ];
    config.Cmd = [ "/bin/tail" "-f" "/dev/null" ];
  };

  # one web server on each machine
  manifest = pkgs.writeText "hello.json" (builtins.toJSON {
    apiVersion = "apps/v1";
    kind = "DaemonSet";
    metadata.name = "hello";
    spec = {
      selector.matchLabels.app = "hello";
      template = {
        metadata.labels.app = "hello";
        spec.containers = [
          {
            name = "hello";
            image = "nxc.local/busybox:local";
            imagePullPolicy = "Never";
            command = [ "/bin/httpd" "-f" "-p" "8000" "-h" "/etc" ];
          }
        ];
      };
    };
  });

  hello = pkgs.writeShellScriptBin "hello" (builtins.readFile ./hello.sh);

  common = {
    # NXC's docker flavour names all machines of a role alike; K3S tells them by their names
    networking.hostName = lib.mkForce "";
    # python3: EnOSlib drives machines with Ansible
    environment.systemPackages = [ pkgs.python3 ];
    services.k3s = {
      enable = true;
      package = pkgs.k3s;
      inherit token;
      images = [ image ];
    };
  };

  flags = [ "--pause-image nxc.local/busybox:local" ]
    # file systems of containers are overlays, which do not nest
    ++ lib.optional (builtins.elem flavour.name [ "docker" "nspawn" ]) "--snapshotter native";

  # parts of K3S that this needs not, and whose images would be pulled
  unused = [ "coredns" "local-storage" "metrics-server" "servicelb" "traefik" ];
in {
  roles = {
    server = {
      imports = [ common ];
      networking.firewall.allowedTCPPorts = [ 6443 ];
      environment.systemPackages = [ pkgs.curl pkgs.jq hello ];
      environment.etc."hello.json".source = manifest;
      services.k3s = {
        role = "server";
        extraFlags = toString (flags ++ map (part: "--disable ${part}") unused);
      };
    };
    agent = {
      imports = [ common ];
      services.k3s = {
        role = "agent";
        serverAddr = "https://server:6443";
        extraFlags = toString flags;
      };
    };
  };

  rolesDistribution = {
    server = 1;
    agent = agents;
  };

  # for kubectl on the machine that runs the containers
  dockerPorts.server = [ "127.0.0.1:6443:6443" ];

  testScript = ''
    start_all()
    server.wait_for_unit("k3s")
    server.wait_for_open_port(6443)
    assert server.succeed("hello ${toString (agents + 1)}").count(": hello-") == ${toString (agents + 1)}
  '';
}
