"""Processes that start and end at dates of a planning, in three minutes: python planning.py."""

import time
from datetime import datetime, timedelta

import enoslib_nxc as en

en.init_logging()

conf = (
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples", composition="./composition", flavour="vm-ramdisk"
    )
    .add_machine(roles=["control"], nodes=1)
    .add_machine(roles=["compute"], nodes=1)
)
provider = en.NixOSCompose(conf)
roles, networks = provider.init()
(control,), (compute,) = roles["control"], roles["compute"]


def show():
    """Print which processes of the planning run, and where."""
    for process in planning.status().processes:
        print(process.group, process.host.alias, process.state.name, flush=True)


# cron goes by the clock of its machine
(clock,) = en.run_command("date +%Y-%m-%dT%H:%M:%S", roles=control)
now = datetime.fromisoformat(clock.stdout)
soon = (now + timedelta(minutes=2)).replace(second=2)  # cron looks once a minute

planning = en.PlanningService()
for host in (control, compute):
    start = en.StartEvent(date=soon, host=host, cmd="sleep 3600", name="sleeper")
    planning.add_event(start)
planning.add_event(
    en.KillEvent(date=soon + timedelta(seconds=20), host=compute, name="sleeper")
)
planning.check()
planning.deploy()

time.sleep((soon - now).total_seconds() + 8)
show()
time.sleep(20)
show()
planning.destroy()
