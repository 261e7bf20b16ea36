# A server that answers iperf3, and agents that ask.
{ setup, ... }:
let
  services.enoslib.compat = [ "netem" "tcpdump" "dstat" "planning" ];
in {
  roles = {
    server = { pkgs, ... }: {
      imports = [ services ];
      environment.systemPackages = [ pkgs.iperf3 ];
      systemd.services.iperf3 = {
        description = "iperf3 server";
        wantedBy = [ "multi-user.target" ];
        script = "exec ${pkgs.iperf3}/bin/iperf3 --server --port ${toString setup.params.port}";
        serviceConfig.Restart = "on-failure";
      };
    };

    agent = { pkgs, ... }: {
      imports = [ services ];
      environment.systemPackages = [ pkgs.iperf3 ];
    };
  };

  testScript = ''
    start_all()
    server.wait_for_unit("iperf3")
    server.wait_for_open_port(${toString setup.params.port})
    with subtest("the server answers an agent"):
        agent.succeed(
            "iperf3 --client server --port ${toString setup.params.port} --time 1 --json"
            " | grep -q bits_per_second"
        )
  '';
}
