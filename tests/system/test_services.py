"""EnOSlib's services on machines of the embedded composition: one deployment for all tests."""

from __future__ import annotations

import csv
import re
import statistics
import struct
import tarfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import enoslib as en
import pytest
from enoslib.errors import EnosFailedHostsError
from enoslib.service.emul.utils import _fping_stats

from enoslib_nxc.provider import NixOSCompose
from tests.system import lab

pytestmark = pytest.mark.full

SERVER, AGENT = "192.168.1.1", "192.168.1.2"

PCAP_HEADER = 24
"""Bytes of a file of libpcap without packets (its manual, pcap-savefile)."""

PCAP_ECHO = 16 + 98
"""Bytes of one echo or reply of ping there, with the header of its record."""


@dataclass(frozen=True)
class Experiment:
    made: NixOSCompose
    roles: en.Roles
    network: list[en.Network]

    @property
    def hosts(self) -> list[en.Host]:
        return [*self.roles["server"], *self.roles["agent"]]

    def round_trip(self, host: str, other: str) -> float:
        """Return the shortest of five round trips between two machines, in milliseconds."""
        said = lab.on(self.made, host, f"ping -q -c 5 -i 0.2 {other}")
        return float(re.search(r"rtt min/avg/max/mdev = ([\d.]+)/", said)[1])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    made = lab.provider("services", {"server": 1, "agent": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("services"))  # EnOSlib writes to where it runs
        try:
            roles, networks = made.init()
            roles = en.sync_info(roles, networks)
            assert {h.alias for h in roles["server"] + roles["agent"]} == {"server", "agent"}
            yield Experiment(made, roles, list(networks["nxc"]))
        finally:
            made.destroy()


def measured(results) -> dict[tuple[str, str], list[float]]:
    """Return what fping told: (host, address) -> round trips in milliseconds."""
    return {
        (result.host, address): times
        for result in results
        for address, times in _fping_stats(result.stdout.splitlines())
    }


def test_netem(experiment, tmp_path):
    assert experiment.round_trip("agent", "server") < 30
    netem = en.Netem()
    netem.add_constraints("delay 40ms", experiment.hosts, networks=experiment.network)
    netem.deploy()
    results = netem.validate(networks=experiment.network, output_dir=tmp_path, count=5)
    times = measured(results)
    for host, other, own in (("agent", SERVER, AGENT), ("server", AGENT, SERVER)):
        assert len(times[host, other]) == 5
        # once on the way there, once on the way back; what is more is the emulated machine's
        assert 80 <= min(times[host, other]) < 110
        assert min(times[host, own]) < 30
        assert (tmp_path / f"{host}.fpingout").read_text().startswith("192.168.1.")
    assert 80 <= experiment.round_trip("agent", "server") < 110
    netem.destroy()
    assert experiment.round_trip("agent", "server") < 30


def packets(file: Path) -> list[bytes]:
    """Return the packets of a capture (libpcap's file format: pcap-savefile(5))."""
    content = file.read_bytes()
    magic, link = struct.unpack("<I16xI", content[:24])
    assert (magic, link) == (0xA1B2C3D4, 1)  # microseconds; Ethernet
    found, at = [], 24
    while at < len(content):
        (size,) = struct.unpack("<8xI4x", content[at : at + 16])
        found.append(content[at + 16 : at + 16 + size])
        at += 16 + size
    return found


def test_tcpdump(experiment, tmp_path):
    capture = en.TCPDump(
        experiment.roles["agent"],
        networks=experiment.network,
        options="-U icmp",
        backup_dir=tmp_path,
    )
    capture.deploy()
    size = "stat -c %s /tmp/__enoslib_tcpdump__/eth1.pcap || echo 0"

    def pinged(count: int) -> int:
        ping = f"ping -c {count} -i 0.2 server > /dev/null"
        return int(lab.on(experiment.made, "agent", f"{ping}; {size}"))

    lab.until(lambda: pinged(1) > PCAP_HEADER)
    before = int(lab.on(experiment.made, "agent", size))
    # what tcpdump has not read when it is ended is lost
    lab.until(lambda: pinged(3) >= before + 6 * PCAP_ECHO)
    capture.destroy()
    capture.backup()
    with tarfile.open(tmp_path / "agent" / "tcpdump.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    frames = packets(tmp_path / "tmp" / "__enoslib_tcpdump__" / "eth1.pcap")
    ends = [(frame[26:30], frame[30:34]) for frame in frames]
    server, agent = (bytes(map(int, a.split("."))) for a in (SERVER, AGENT))
    assert ends.count((agent, server)) >= 3
    assert ends.count((server, agent)) >= 3
    assert {*ends} == {(agent, server), (server, agent)}


def test_what_is_not_in_the_composition_is_named(experiment):
    with (
        pytest.raises(EnosFailedHostsError) as caught,
        en.actions(roles=experiment.roles["agent"], gather_facts=False) as play,
    ):
        play.apt(name=["curl", "python3-pip"], state="present")  # as Docker
    (record,) = caught.value.hosts
    assert record.payload["msg"] == (
        "apt: curl is not in the system that this host runs, and nothing can be installed "
        "there: add one of docker, monitoring to `enoslib.compat` of role agent of the "
        "composition, or it alone to environment.systemPackages, which has: netem, tcpdump, "
        "dstat, planning"
    )


def test_dstat(experiment, tmp_path):
    monitor = en.Dstat(nodes=experiment.roles["agent"], backup_dir=tmp_path)
    monitor.deploy()
    there = f"cat {monitor.remote_working_dir}/*.csv 2> /dev/null | wc -l"
    lab.until(lambda: int(lab.on(experiment.made, "agent", there)) >= 10, 120)
    monitor.destroy()
    monitor.backup()
    (file,) = tmp_path.rglob("*.csv")
    rows = list(csv.reader(file.read_text().splitlines()))
    # as Dstat.to_pandas reads it
    names, *lines = rows[5:]
    assert {"usr", "idl", "epoch"} <= {*names}
    values = [dict(zip(names, map(float, line), strict=False)) for line in lines]
    times = [line["epoch"] for line in values]
    assert len(times) >= 3
    assert times == sorted(times)
    assert all(0 <= line["idl"] <= 100 for line in values)


def test_netem_htb(experiment, tmp_path):
    htb = en.NetemHTB()
    agents, servers = experiment.roles["agent"], experiment.roles["server"]
    htb.add_constraints(agents, servers, "40ms", "8mbit", networks=experiment.network)
    htb.deploy()
    times = measured(htb.validate(networks=experiment.network, output_dir=tmp_path, count=5))
    assert 40 <= min(times["agent", SERVER]) < 70  # one way only
    assert 40 <= min(times["server", AGENT]) < 70
    said = lab.on(experiment.made, "agent", "iperf3 -c server -t 3 -J")
    rate = float(re.findall(r'"bits_per_second":\s*([\d.e+]+)', said)[-1])
    assert 4e6 < rate < 9e6
    htb.destroy()
    assert experiment.round_trip("agent", "server") < 30


def test_accurate_netem_htb(experiment, tmp_path):
    htb = en.AccurateNetemHTB()
    agents, servers = experiment.roles["agent"], experiment.roles["server"]
    # it measures between those that have constraints
    htb.add_constraints(
        agents, servers, "60ms", "1gbit", networks=experiment.network, symmetric=True
    )
    try:
        htb.deploy()
        times = measured(htb.validate(networks=experiment.network, output_dir=tmp_path))
    finally:
        htb.destroy()
    # 60 ms on the way there and on the way back, less what it takes without
    assert 90 < statistics.median(times["agent", SERVER]) < 140


def test_planning(experiment):
    host = experiment.roles["agent"][0]
    clock = lab.on(experiment.made, "agent", "date +%s")
    # cron looks once a minute: a minute that has not begun when the task has run
    now = datetime.fromtimestamp(int(clock), timezone.utc).replace(tzinfo=None)
    begin = (now + timedelta(seconds=150)).replace(second=5)
    end = begin + timedelta(seconds=60)
    service = en.PlanningService()
    service.add_event(en.StartEvent(date=begin, host=host, cmd="sleep 1234", name="sleeper"))
    service.add_event(en.KillEvent(date=end, host=host, name="sleeper"))
    service.check()
    service.deploy()

    def sleeps() -> bool:
        # cron's own, before an event, are others
        said = lab.on(experiment.made, "agent", "pgrep -x sleep -a || true")
        return re.search(r" sleep 1234$", said, re.M) is not None

    lab.until(sleeps, 200)
    started = int(lab.on(experiment.made, "agent", "date +%s")) - int(clock)
    assert (begin - now).seconds <= started < (end - now).seconds
    assert [group.state.name for group in service.status().processes] == ["ALIVE"]
    lab.until(lambda: not sleeps(), 120)
    service.destroy()
    assert "sleeper" not in lab.on(experiment.made, "agent", "crontab -l || true")
