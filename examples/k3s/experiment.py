"""Start a K3S cluster, run a web server on each machine: python experiment.py [FLAVOUR]."""

import sys

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib

conf = en.NixOSComposeConf.from_file("conf.yaml")
if sys.argv[1:]:
    conf.set(flavour=sys.argv[1])
with en.NixOSCompose(conf) as (roles, networks):
    for result in en.run_command(f"hello {len(roles.all())}", roles=roles["server"]):
        print(result.stdout)  # a line for each machine, with the name of its pod
