"""Run it: python experiment.py."""

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib

conf = en.NixOSComposeConf.from_file("conf.yaml")
provider = en.NixOSCompose(conf)
with provider as (roles, networks), provider.phase("run"):
    results = en.run_command("iperf3 --client server --time 5", roles=roles["agent"])
    print(results.to_dict())
