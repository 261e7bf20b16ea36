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


def show(date):
    """Print at a date of the machines which processes of the planning run, and where."""
    passed = timedelta(seconds=time.monotonic() - asked)
    time.sleep(max(0.0, (date - now - passed).total_seconds()))
    for process in planning.status().processes:
        print(process.group, process.host.alias, process.state.name, flush=True)


# cron goes by the clock of its machine
(clock,) = en.run_command("date +%Y-%m-%dT%H:%M:%S", roles=control)
now, asked = datetime.fromisoformat(clock.stdout), time.monotonic()
start = (now + timedelta(minutes=2)).replace(second=2)  # cron looks once a minute
kill = start + timedelta(seconds=45)

planning = en.PlanningService()
for host in (control, compute):
    event = en.StartEvent(date=start, host=host, cmd="sleep 3600", name="sleeper")
    planning.add_event(event)
planning.add_event(en.KillEvent(date=kill, host=compute, name="sleeper"))
planning.check()
planning.deploy()

show(start + timedelta(seconds=10))
show(kill + timedelta(seconds=10))
planning.destroy()
