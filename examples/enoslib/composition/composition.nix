# The roles of the tutorials. What EnOSlib's services call on a machine (tc, fping, cron, tmux)
# is asked for by name; modules such as sch_netem are loaded when tc wants them.
{ ... }:
let
  machine = { pkgs, ... }: {
    environment.systemPackages = with pkgs; [ cron fping iproute2 iputils-ping python3 tmux ];
  };
in {
  roles = {
    control = machine;
    compute = machine;
    edge = machine; # for the example with two providers
  };
}
