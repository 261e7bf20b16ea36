"""Run it: python experiment.py."""

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib

conf = en.NixOSComposeConf.from_file("conf.yaml")
with en.NixOSCompose(conf) as (roles, networks):
    results = en.run_command("iperf3 --client server --time 5", roles=roles["agent"])
    print(results.to_dict())
