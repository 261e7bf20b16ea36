{ pkgs, ... }: {
  roles = {
    server = { pkgs, ... }: {
      # python3: EnOSlib drives machines with Ansible
      environment.systemPackages = [ pkgs.python3 pkgs.iperf3 ];
      services.iperf3.enable = true;
    };
    agent = { pkgs, ... }: {
      environment.systemPackages = [ pkgs.python3 pkgs.iperf3 ];
    };
  };
  testScript = ''
    agent.succeed("iperf3 --client server --time 1")
  '';
}
