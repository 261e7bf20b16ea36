"""Containers of systemd-nspawn: their command line, network and names."""

import os
import shutil
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from enoslib_nxc import flavours
from enoslib_nxc import routes as routing
from enoslib_nxc.boots import nspawn
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import ConfigError, PlatformError, ToolMissingError
from enoslib_nxc.events import silent
from enoslib_nxc.flavours import Source
from enoslib_nxc.platforms import places
from enoslib_nxc.platforms.nspawn import NspawnPlatform
from enoslib_nxc.platforms.places import Place
from enoslib_nxc.routes import Route
from enoslib_nxc.state import Home
from tests.unit import factory

COMMAND = nspawn.Command(
    tag="enoslib-nxc:t:server",
    place=Place("nxc-t-1", Path("/state/machines/server")),
    store=Path("/home/u/a:b/nix/store"),
    init="/nix/store/s/init",
    hostname="server",
    digest="d" * 16,
    volumes=("/srv/data:/data", "/srv/more:/more:ro"),
    scope=False,
)

LAN = Route(IPv4Network("192.168.1.0/24"), "eth0")


def settings(**more):
    return Settings.model_validate({"roles": {"server": 1}, "flavour": "nspawn", **more})


@pytest.fixture
def routes(monkeypatch):
    """Return this computer's routes, to be changed."""
    routes = [LAN]
    monkeypatch.setattr(routing, "current", lambda: routes)
    return routes


@pytest.fixture
def acquire(routes, tmp_path):
    def acquire(*hosts, previous=None, **wish):
        plan = factory.deployment(*hosts).plan
        return NspawnPlatform().acquire(
            settings(**wish), Home(tmp_path), plan, previous, silent
        )

    return acquire


def test_whole_command_line():
    assert COMMAND.argv("/usr/bin/systemd-nspawn") == [
        "/usr/bin/systemd-nspawn",
        "--setenv=NXC_MACHINE=enoslib-nxc:t:server",
        *["--register=no", "--keep-unit", "--machine=nxc-t-1", "--hostname=server"],
        "--directory=/state/machines/server/root",
        "--bind-ro=/home/u/a\\:b/nix/store:/nix/store",
        *["--bind=/srv/data:/data", "--bind-ro=/srv/more:/more"],
        "--network-namespace-path=/run/netns/nxc-t-1",
        *["--capability=CAP_NET_ADMIN", "--kill-signal=SIGRTMIN+3"],
        *["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
        *["--setenv=NXC_ID=dddddddddddddddd", "/nix/store/s/init"],
    ]


def test_what_stage_1_would_write(tmp_path):
    run = factory.run(tmp_path, factory.deployment("server"))
    run.context.__dict__["text"] = '{"ssh_key.pub":"ssh-ed25519 A a"}'
    machine = run.machine("server")
    run.deployment.machines["server"] = machine.model_copy(
        update={"identity": factory.identity("server")}
    )
    place = places.place(run.deployment, run.home, "server")
    before = os.umask(0o077)
    try:
        nspawn._prepare(run, "server", place)
    finally:
        os.umask(before)
    seed = place.seed
    files = {str(p.relative_to(seed)): p.read_text() for p in seed.rglob("*") if p.is_file()}
    assert files == {
        "etc/nxc/role": "server\n",
        "etc/nxc/hostname": "server\n",
        "etc/nxc/ip_addr": "192.168.1.1\n",
        "etc/nxc/deployment.json": '{"ssh_key.pub":"ssh-ed25519 A a"}\n',
        "etc/nxc/deployment-hosts": "192.168.1.1 server\n",
        "root/.ssh/authorized_keys": "ssh-ed25519 A a\n",
    }
    modes = {p: oct((seed / p).stat().st_mode & 0o777) for p in ("etc", "etc/nxc", "root/.ssh")}
    assert modes == {"etc": "0o755", "etc/nxc": "0o755", "root/.ssh": "0o700"}
    assert oct(place.root.stat().st_mode & 0o777) == "0o755"


@pytest.mark.parametrize("volume", ["/srv", "data:/data", "/srv:data", ""])
def test_a_volume_has_two_paths(volume):
    with pytest.raises(PlatformError) as caught:
        nspawn._check_volume(volume, "server")
    assert str(caught.value) == (
        f"extraVolumes: {volume!r}, for role server, is not SOURCE:TARGET[:ro]\n"
        "-> name two absolute paths in extraVolumes of the composition"
    )


def test_names_tell_the_deployment(tmp_path):
    made = factory.deployment("server", "agent1")
    place = places.place(made, Home(tmp_path), "agent1")
    assert place == Place("nxc-0123456789abcdef-2", tmp_path / "machines" / "agent1")
    assert places.interface(made.token) == "nxc-0123456789a"
    assert len(places.interface(made.token)) == places.INTERFACE_LENGTH


def test_root_is_needed(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PlatformError) as caught:
        NspawnPlatform().check(settings())
    assert str(caught.value) == (
        "flavour nspawn needs root, for containers and their network\n"
        "-> run as root; or set flavour to vm-ramdisk, which needs no root"
    )


def test_ip_is_needed(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program, path: None)
    with pytest.raises(ToolMissingError) as caught:
        NspawnPlatform().check(settings())
    assert str(caught.value) == (
        "ip is not installed; it is needed to connect containers\n-> apt-get install iproute2"
    )


def test_a_network_that_nobody_has_is_taken(acquire):
    grant = acquire("server", "agent1")
    network = IPv4Network(grant.networks[0])
    assert network.subnet_of(routing.POOLS[0])
    assert network.prefixlen == 24
    addresses = {host: m.address for host, m in grant.machines.items()}
    assert addresses == {
        "server": str(network.network_address + 1),
        "agent1": str(network.network_address + 2),
    }
    assert all(m.ssh_host == m.address and m.ssh_port == 22 for m in grant.machines.values())


def test_machines_keep_their_network(acquire, routes):
    previous = factory.deployment("server")
    routes[:] = [Route(IPv4Network("192.168.1.0/24"), places.interface(previous.token))]
    grant = acquire("server", "agent1", previous=previous)
    assert grant.networks == previous.networks
    assert grant.machines["server"] == previous.machines["server"]
    assert grant.machines["agent1"].address == "192.168.1.2"


def test_a_network_in_use_is_refused(acquire):
    with pytest.raises(PlatformError) as caught:
        acquire("server", nspawn={"network": "192.168.1.0/24"})
    assert str(caught.value) == (
        "nspawn.network: 192.168.1.0/24 is in use on this computer: interface eth0 leads to "
        "192.168.1.0/24\n"
        "-> set nspawn.network to a /24 that is not in use, or leave it out"
    )


def test_that_of_another_deployment_can_be_destroyed(acquire, routes):
    routes.append(Route(IPv4Network("10.1.2.0/24"), "nxc-abc"))
    with pytest.raises(PlatformError) as caught:
        acquire("server", nspawn={"network": "10.1.2.0/24"})
    assert caught.value.resolution.endswith("; or destroy() the deployment that has it")


def test_the_network_is_a_24():
    with pytest.raises(ValueError, match="is not a /24"):
        settings(nspawn={"network": "10.0.0.0/16"})


def test_other_providers_hosts_are_no_containers():
    with pytest.raises(ConfigError) as caught:
        flavours.on("nspawn", Source(lent=True))
    assert caught.value.brief == "flavour nspawn cannot be booted on hosts of another provider"
