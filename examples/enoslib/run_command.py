"""Commands, and commands that nobody waits for: python run_command.py."""

import time

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

for result in en.run_command("hostname", roles=roles):  # on all
    print("all", result.host, result.stdout)
for result in en.run_command("hostname", roles=roles["control"]):  # a list of hosts
    print("list", result.host, result.stdout)
for result in en.run_command("hostname", pattern_hosts="comp*", roles=roles):  # Ansible's
    print("pattern", result.host, result.stdout)

# nobody waits for this one; its machine knows what became of it
compute = roles["compute"]
(job,) = en.run_command("sleep 2; hostname", roles=compute, background=True)
for _ in range(60):
    with en.actions(roles=compute) as ask:
        ask.async_status(jid=job.ansible_job_id, task_name="ask")
    (answer,) = ask.results
    if answer.payload["finished"]:
        print("background", answer.host, answer.payload["stdout"])
        break
    time.sleep(1)
