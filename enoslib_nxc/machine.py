"""The data of one machine: who it is, how it is entered, and what it is where it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from enoslib_nxc.data import Data


class Identity(Data):
    """What a machine should run; when any part differs, it must boot again.

    Args:
        host: host name.
        role: role of the composition.
        toplevel: store path of the role's system.
        digest: short sha256 (hex) over what else reaches the machine at boot: parameters,
            kernel parameters, its memory, cores and address. Kernel and initrd are not part
            of it: the system changes with them where it depends on them, and the initrd
            also changes when only another role did. Keys and the hosts file are refreshed
            without a boot.
    """

    host: str
    role: str
    toplevel: str
    digest: str


class Entry(Data):
    """A machine as another provider gave it: how it is entered, and what is kept of it.

    Args:
        user: remote user.
        key: its private key, None for what ssh finds by itself.
        first_contact: take the key that it shows at first contact, instead of requiring
            that the user's known_hosts or the other provider's options vouch for it.
        words: kernel parameters to keep: consoles, and how interfaces are named.
        ip: kernel parameter that gives the new system the same address.
        leased: whether the address came by DHCP, which will give it again.
        reboot: whether to reboot it into its own system when it is given back.
    """

    user: str
    key: Path | None = None
    first_contact: bool = False
    words: str = ""
    ip: str = ""
    leased: bool = False
    reboot: bool = True


class Reserved(Data):
    """A machine as a reserved node of Grid'5000.

    Args:
        node: FQDN by which the site knows it; never the translated one of a kavlan.
        site: its site.
        job: number of the OAR job that holds it.
        deploy: whether that job is of type deploy.
        vlan: number of the kavlan that its first card is in, "" for production.
    """

    node: str
    site: str
    job: int
    deploy: bool = False
    vlan: str = ""


class Container(Data):
    """A machine as a container of Docker, entered by `docker exec`.

    Args:
        name: its name.
        daemon: address of the daemon that has it, as for `docker --host`.
    """

    name: str
    daemon: str


class Hosted(Data):
    """A machine as a virtual machine on a host that is reached by ssh (`vm_hosts`).

    Args:
        name: of the host, as in `Part.vm_hosts`.
        mtu: bytes of the largest packet on the machines' network.
        port: UDP port by which hosts carry that network.
    """

    name: str
    mtu: int
    port: int


class Machine(Data):
    """One place that a host runs, as acquired.

    Args:
        host: host name of its node.
        address: IPv4 address by which the machines know each other; the key of the node
            in deployment.json.
        ssh_host: name or address that ssh connects to from here.
        ssh_port: port that ssh connects to from here.
        ssh_options: words for ssh that say how to get there (a jump); "-F none" keeps the
            user's own configuration out, which has nothing to say of a loopback port.
        entry: how the system that was there before ours lets us in; None where there is
            none.
        reserved: the node that it is on Grid'5000; None elsewhere.
        flavour: the flavour of its role.
        container: the container that it is; None elsewhere.
        stock: whether the system that was there before stays.
        hosted: the host that runs it, where that is another computer; None elsewhere.
        mac: hardware address on the shared network, "" where the platform decides.
        identity: what it was last told to run; None before its first start.
        boot_id: `/proc/sys/kernel/random/boot_id` when it was last seen up, "" before; of a
            container, which has its host's, with the start of its first process;
            while it is "started", that of the system which it leaves.
        python: path of its Python for Ansible, "" when unknown.
        state: "planned" until its start was asked for, "started" until it was seen under
            its role, then "up"; "lost" when it was given up (within `min`).
    """

    host: str
    address: str
    ssh_host: str
    ssh_port: int = 22
    ssh_options: tuple[str, ...] = ("-F", "none")
    entry: Entry | None = None
    reserved: Reserved | None = None
    flavour: str = ""
    container: Container | None = None
    stock: bool = False
    hosted: Hosted | None = None
    mac: str = ""
    identity: Identity | None = None
    boot_id: str = ""
    python: str = ""
    state: Literal["planned", "started", "up", "lost"] = "planned"
