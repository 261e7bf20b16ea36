"""The machines as hosts of execo: python with_execo.py."""

import enoslib_nxc as en
from execo import Put, Remote, SshProcess

conf = (
    en.NixOSComposeConf.from_settings(
        job_name="enoslib-examples", composition="./composition", flavour="vm-ramdisk"
    )
    .add_machine(roles=["control"], nodes=1)
    .add_machine(roles=["compute"], nodes=1)
)
provider = en.NixOSCompose(conf)
provider.init()

nodes, roles = provider.deployment.to_execo()
params = provider.deployment.execo_params()  # host keys are checked

hostname = Remote("hostname", list(nodes.values()), connection_params=params).run()
for process in hostname.processes:
    print(process.exit_code, process.stdout.strip())
Put(roles["control"], ["site.yml"], "/root/", connection_params=params).run()
(control,) = roles["control"]
listing = SshProcess("wc -l /root/site.yml", control, connection_params=params).run()
print(listing.exit_code, listing.stdout.strip())
