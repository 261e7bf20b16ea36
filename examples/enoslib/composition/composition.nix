# The roles of the tutorials. `enoslib.compat` names the services of EnOSlib that they use.
{ ... }:
let
  machine = { pkgs, ... }: {
    enoslib.compat = [ "netem" "planning" ];
    environment.systemPackages = with pkgs; [ iputils-ping tmux ];
  };
in {
  roles = {
    control = machine;
    compute = machine;
    edge = machine; # for the example with two providers
  };
}
