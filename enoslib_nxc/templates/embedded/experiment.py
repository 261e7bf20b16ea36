"""Tasks of an experiment; each goes on where the one before it ended.

enoslib-nxc up conf.yaml      # or: python experiment.py up
python experiment.py measure
python experiment.py validate
enoslib-nxc destroy           # or: python experiment.py destroy
"""

import json
import sys

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib


@en.enostask(new=True)
def up(env=None):
    """Bring the machines up."""
    conf = en.NixOSComposeConf.from_file("conf.yaml")
    env["provider"] = en.NixOSCompose(conf)
    env["roles"], env["networks"] = env["provider"].init()


@en.enostask()
def measure(env=None):
    """Let each agent measure how fast it gets to the server."""
    env["results"] = {}
    with env["provider"].phase("run"):  # for `enoslib-nxc report`
        for agent in env["roles"]["agent"]:  # in turn: iperf3 serves one at a time
            (result,) = en.run_command("iperf3 --client server --time 1 --json", roles=[agent])
            env["results"][agent.alias] = json.loads(result.stdout)


@en.enostask()
def validate(env=None):
    """Show what was measured."""
    for host, told in sorted(env["results"].items()):
        print(f"{host}: {told['end']['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s")


@en.enostask()
def destroy(env=None):
    """End the machines."""
    env["provider"].destroy()


if __name__ == "__main__":
    {"up": up, "measure": measure, "validate": validate, "destroy": destroy}[sys.argv[1]]()
