"""A star of two machines, one further away than the other: python netem.py."""

import enoslib_nxc as en

en.init_logging()

conf = (
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples", composition="./composition", flavour="vm-ramdisk"
    )
    .add_machine(roles=["control"], nodes=1)
    .add_machine(roles=["compute"], nodes=1)
    .add_network(roles=["my_network"])
)
provider = en.NixOSCompose(conf)
roles, networks = provider.init()
roles = en.sync_info(roles, networks)

# 10 + 20 ms there, and as much back, on the way out of one machine and into the other
netem = en.Netem()
netem.add_constraints("delay 5ms", roles["control"], symmetric=True)
netem.add_constraints("delay 10ms", roles["compute"], symmetric=True)
netem.deploy()
netem.validate(output_dir="emulated")

netem.destroy()
netem.validate(output_dir="as_before")
