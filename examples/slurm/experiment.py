"""Submit a server that submits its clients, and ask the accounts: experiment.py [FLAVOUR]."""

import sys

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib

conf = en.NixOSComposeConf.from_file("conf.yaml")
if sys.argv[1:]:
    conf.set(flavour=sys.argv[1])
with en.NixOSCompose(conf) as (roles, networks):
    en.run_command("systemctl start slurmctld", roles=roles["server"])  # waits for the database
    study = "timeout 900 srun --nodes 1 --job-name server study serve 4"
    accounts = "sacct --allocations --format JobName,State,NodeList,Elapsed"
    for command in (study, f"sleep 10; {accounts}"):  # the database is told a little later
        for result in en.run_command(command, roles=roles["frontend"]):
            print(result.stdout)
