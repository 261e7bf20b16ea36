# A server that answers iperf3, and agents that ask.
{ setup, ... }: {
  roles = {
    server = { pkgs, ... }: {
      environment.systemPackages = [ pkgs.iperf3 ];
      systemd.services.iperf3 = {
        description = "iperf3 server";
        wantedBy = [ "multi-user.target" ];
        script = "exec ${pkgs.iperf3}/bin/iperf3 --server --port ${toString setup.params.port}";
        serviceConfig.Restart = "on-failure";
      };
    };

    agent = { pkgs, ... }: {
      environment.systemPackages = [ pkgs.iperf3 ];
    };
  };

  testScript = ''
    server.wait_for_unit("iperf3")
    agent.succeed("iperf3 --client server --time 1")
  '';
}
