"""Processes in the background, known by name: python registry.py."""

import time

import enoslib_nxc as en
from enoslib.api import bg_start, bg_stop

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


def show(registry):
    """Print each process group, where it is, and whether it runs."""
    for process in sorted(registry.processes, key=lambda each: each.host.alias):
        print(process.group, process.host.alias, process.state.name)


# in a control group of its own
en.run_command("sleep 3600", roles=roles, cgroup="sleeper", background=True)
registry = en.ProcessRegistry.build("sleeper", roles)
for _ in range(30):  # nobody waited for them to start
    if len(registry.processes) == len(roles.all()):
        break
    time.sleep(1)
    registry = en.ProcessRegistry.build("sleeper", roles)
show(registry)

registry.lookup(list(roles["compute"])).kill()
registry = registry.refresh()
show(registry)
registry.kill()

# in a session of tmux
en.run_command(bg_start("walker", "sleep 3600"), roles=roles["control"])
(sessions,) = en.run_command("tmux ls", roles=roles["control"])
print(sessions.stdout)
en.run_command(bg_stop("walker"), roles=roles["control"])
