"""What EnOSlib knows of machines once it has asked them: python sync_info.py."""

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


def show(host):
    """Print the addresses of a host in the network, and its processor."""
    cards = host.filter_interfaces(networks["my_network"])
    addresses = [str(each.ip) for each in host.filter_addresses(networks["my_network"])]
    print(host.alias, *cards, *sorted(addresses), host.processor, flush=True)


roles = en.sync_info(roles, networks)
control = roles["control"][0]
show(control)

# what changes on a machine is seen the next time
(card,) = control.filter_interfaces(networks["my_network"])
network = networks["my_network"][0].network
second = f"{network.broadcast_address - 1}/{network.prefixlen}"
en.run_command(f"ip address replace {second} dev {card}", roles=control)
control = en.sync_info(control, networks)
show(control)
en.run_command(f"ip address delete {second} dev {card}", roles=control)
