"""A cloud and its edge, each of a provider of its own: python multi_provider.py."""

import enoslib_nxc as en

en.init_logging()

cloud = en.NixOSCompose(
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples", composition="./composition", flavour="vm-ramdisk"
    )
    .add_machine(roles=["control"], nodes=1)
    .add_machine(roles=["compute"], nodes=1),
    name="cloud",
)
edge = en.NixOSCompose(
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples-edge",
        composition="./composition",
        flavour="vm-ramdisk",
        vm={"network": "192.168.2.0/24"},  # one of its own
    ).add_machine(roles=["edge"], nodes=1),
    name="edge",
)

providers = en.Providers([cloud, edge])
roles, networks = providers.init()
for name in ("cloud", "edge"):
    hosts = ", ".join(f"{host.alias} ({host.address})" for host in sorted(roles[name]))
    print(f"{name}: {hosts} in {', '.join(str(each.network) for each in networks[name])}")
for result in en.run_command("hostname; cat /etc/nxc/role", roles=roles):
    print(result.host, *result.stdout.split())

providers.destroy()
