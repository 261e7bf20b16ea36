"""Time MPI messages between machines that share homes: python experiment.py [FLAVOUR]."""

import sys

import enoslib as en

import enoslib_nxc  # noqa: F401 - adds NixOSCompose to enoslib

conf = en.NixOSComposeConf.from_file("conf.yaml")
if sys.argv[1:]:
    conf.set(flavour=sys.argv[1])
with en.NixOSCompose(conf) as (roles, networks):
    nodes = sorted(roles["node"])
    shared = next(each.network for each in networks["nxc"] if each.network.version == 4)
    with en.actions(roles=roles["server"]) as server:  # all see what is put here
        server.copy(src="latency.py", dest="/users/alice/")
        server.copy(
            content="".join(f"{host.address} slots=1\n" for host in nodes),
            dest="/users/alice/hosts",
        )
    en.run_command("systemctl start mpi-home", roles=nodes)  # waits for the server
    tcp = f"btl tcp,self --mca btl_tcp_if_include {shared} --mca oob_tcp_if_include {shared}"
    program = f"mpirun --hostfile hosts --mca pml ob1 --mca {tcp} python3 latency.py"
    for result in en.run_command(f"su - alice -c '{program}'", roles=nodes[:1]):
        print(result.stdout)
