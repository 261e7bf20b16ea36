"""Every combination of parameters, once: python sweep.py.

What is done is kept in `sweeps`: a second call goes on where the first one ended.
"""

import traceback
from pathlib import Path

import enoslib_nxc as en
from execo_engine import ParamSweeper, sweep

en.init_logging()

conf = (
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples", composition="./composition", flavour="vm-ramdisk"
    )
    .add_machine(roles=["control"], nodes=1)
    .add_machine(roles=["compute"], nodes=1)
    .add_network(roles=["my_network"])
)


def bench(parameter):
    """Measure one combination; return the smallest round trip, in milliseconds."""
    provider = en.NixOSCompose(conf)
    roles, networks = provider.init()  # in a moment, from the second time on
    roles["control"] = en.sync_info(roles["control"], networks)
    netem = en.Netem().add_constraints(parameter["delay"], roles["control"])
    netem.deploy()
    target = roles["compute"][0].address
    command = f"ping -q -c 5 -i 0.2 -s {parameter['size']} {target}"
    (result,) = en.run_command(command, roles=roles["control"])
    netem.destroy()
    return float(result.stdout.rpartition(" = ")[2].split("/")[0])


sweeper = ParamSweeper(
    persistence_dir="sweeps",
    sweeps=sweep({"delay": ["delay 10ms", "delay 40ms"], "size": [1000]}),
    save_sweeps=True,
)
while parameter := sweeper.get_next():
    try:
        milliseconds = bench(parameter)
    except Exception:
        traceback.print_exc()
        sweeper.skip(parameter)
    else:
        with Path("sweep.csv").open("a") as table:
            table.write(f"{parameter['delay']},{parameter['size']},{milliseconds}\n")
        sweeper.done(parameter)
