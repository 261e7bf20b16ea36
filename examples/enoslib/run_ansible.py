"""A playbook of one's own on the machines: python run_ansible.py."""

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

results = en.run_ansible(["site.yml"], roles=roles, extra_vars={"word": "hello"})
for result in results.filter(task="Read it"):
    print(result.host, result.stdout)
