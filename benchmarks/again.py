"""`init()` again, where nothing is to be done, and where one role of several has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import scale
from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, alone
from benchmarks.lab import hosts, ours, plain, tiny, users
from benchmarks.lab.hosts import Lab
from benchmarks.measure import FLOOR, OURS, Contestant, MeasureError, Trial
from enoslib_nxc import multiplexing, scaffold, ssh
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.provider import NixOSCompose

FIRST = "the first init()"
COLD = "no connection open"
CHANGED = "one role changed"

JOB = "benchmark-again"

TIMEOUT = 600.0
"""Seconds for one `init()`."""

ROLE = """
    {name} = {{ pkgs, ... }}: {{
      environment.systemPackages = [ pkgs.iperf3 ];
      environment.etc."state-of-role".text = "{state}";
    }};
"""


@dataclass
class Guests:
    """Virtual machines here, each with a role of its own, from a composition of theirs.

    Args:
        directory: of the composition, and of files that say what to do.
        size: how many there are.
    """

    directory: Path
    size: int
    boot_ids: dict[str, str] = field(default_factory=dict)
    _changes: int = 0

    @property
    def configuration(self) -> dict[str, object]:
        """Of the provider."""
        return {
            "composition": str(self.directory / "composition"),
            "flavour": "vm-ramdisk",
            "job_name": JOB,
            "roles": dict.fromkeys(self._roles, 1),
            "vm": {"memory": ours.MEMORY},
            "progress": "silent",
        }

    @property
    def _roles(self) -> list[str]:
        return [f"role{number}" for number in range(1, self.size + 1)]

    def write(self) -> None:
        """Write the composition: each time, its first role is another one."""
        place = self.directory / "composition"
        place.mkdir(parents=True, exist_ok=True)
        for name, text in scaffold.files("embedded").items():
            if name.startswith("composition/"):
                (self.directory / name).write_text(text)
        states = dict.fromkeys(self._roles, "as ever") | {"role1": str(self._changes)}
        roles = "".join(ROLE.format(name=name, state=states[name]) for name in self._roles)
        (place / "composition.nix").write_text(f"{{ ... }}: {{ roles = {{{roles}}}; }}\n")
        self._changes += 1

    def first(self) -> Mapping[str, float]:
        """Deploy them."""
        self.destroy()
        self.write()
        return {"seconds": float(self._init()["seconds"])}

    def again(self) -> Mapping[str, float]:
        """Call `init()` once more, less than a minute after the last one."""
        self._be_up()
        return self._unchanged()

    def cold(self) -> Mapping[str, float]:
        """Do the same as whoever comes back later: no connection is open."""
        self._be_up()
        multiplexing.end(plain.deployment(JOB)[0].token)
        return self._unchanged()

    def floor(self) -> Mapping[str, float]:
        """Log in to each, and do nothing."""
        self._be_up()
        return {"seconds": plain.seconds(plain.doors(JOB))}

    def _be_up(self) -> None:
        """Have them up, as an `init()` leaves them that has just ended."""
        if not self.boot_ids:
            self.write()
        self._init()

    def _unchanged(self) -> Mapping[str, float]:
        before = self.boot_ids
        found = self._init()
        if booted := _booted(before, self.boot_ids):
            raise MeasureError(f"{', '.join(booted)} booted, though nothing changed")
        return {"seconds": float(found["seconds"])}

    def changed(self) -> Mapping[str, float]:
        """Change a role, and see that its machine alone has booted."""
        self._be_up()
        self.write()
        before = self.boot_ids
        found = self._init()
        booted = _booted(before, self.boot_ids)
        if booted != ["role1"]:
            raise MeasureError(
                f"booted, where role1 has changed: {', '.join(booted) or 'none'}"
            )
        return {"seconds": float(found["seconds"]), "machines booted": len(booted)}

    def destroy(self) -> None:
        """Destroy them."""
        _destroy(self.configuration)
        self.boot_ids = {}

    def _init(self) -> dict[str, Any]:
        file = self.directory / "user.json"
        found = users.init(file, self.configuration, timeout=TIMEOUT)
        self.boot_ids = found["boot_ids"]
        return found


@dataclass(frozen=True)
class Many:
    """Hosts of the lab, which have all booted by kexec.

    Args:
        lab: that has them.
        made: the composition.
        size: how many there are.
    """

    lab: Lab
    made: tiny.Tiny
    size: int

    @property
    def configuration(self) -> dict[str, object]:
        """Of the provider."""
        return scale.configuration(self.made, f"{JOB}-many", {scale.ROLE: self.size})

    def first(self) -> Mapping[str, float]:
        """Deploy them."""
        _destroy(self.configuration)
        self.lab.reset()
        return self._init()

    def again(self) -> Mapping[str, float]:
        """Call `init()` once more, and see that nothing has booted."""
        # as for whoever comes back later: no connection is left
        self.lab.end_programs()
        before = self.lab.seen("boot_id", self.size)
        found = self._init()
        if self.lab.seen("boot_id", self.size) != before:
            raise MeasureError("hosts booted, though nothing changed")
        return found

    def _init(self) -> Mapping[str, float]:
        found = self.lab.init(self.configuration, self.size, TIMEOUT)
        return {"seconds": float(found["seconds"])}


def _booted(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [host for host, boot_id in after.items() if before.get(host) != boot_id]


def _destroy(configuration: Mapping[str, object]) -> None:
    ours.destroy(NixOSCompose(NixOSComposeConf.from_dictionary(dict(configuration))))


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Have the hosts; the fewer machines are guests, built beforehand but not started."""
    few, many = min(trial.sizes), max(trial.sizes)
    guests = Guests(trial.directory / "guests", few)
    with hosts.lab(trial.directory / "lab", many) as lab:
        made = tiny.make(lab.directory / "composition", (scale.ROLE,))
        crowd = Many(lab, made, many)

        def either(
            of_guests: Callable[[], Mapping[str, float]],
            of_many: Callable[[], Mapping[str, float]],
        ) -> Callable[[int], Mapping[str, float]]:
            def run(size: int) -> Mapping[str, float]:
                if size == few:
                    return of_guests()
                guests.destroy()  # emulated ones take of the cores when idle, too
                return of_many()

            return run

        try:
            yield [
                Contestant(FLOOR, lambda _: guests.floor(), (few,)),
                # to show that all works guests need not come up twice: they do for the floor
                Contestant(
                    FIRST, either(guests.first, crowd.first), (many,) if trial.smoke else ()
                ),
                Contestant(OURS, either(guests.again, crowd.again)),
                Contestant(COLD, lambda _: guests.cold(), (few,)),
                Contestant(CHANGED, lambda _: guests.changed(), (few,)),
            ]
        finally:
            try:
                guests.destroy()
            finally:
                _destroy(crowd.configuration)


FEW, MANY = 4, 200

BENCHMARK = Benchmark(
    name="again",
    title="init() again",
    text=f"""
`NixOSCompose(conf).init()` in a new process of Python, whose start and imports are not
counted; all machines are up. {FEW} machines are guests of QEMU (`vm-ramdisk`), each with a
role of its own of one composition; {MANY} are the hosts of [scale](#scale), on `en.Static`,
measured while there are no guests.

- enoslib-nxc: nothing has changed since the last `init()`, which ended just before: up to
  {multiplexing.FEW} machines, its connections stay open for {ssh.PERSIST} s after the last
  command. To {MANY} hosts none is open. That no machine booted is checked by their boot ids.
- {COLD}: the same for whoever comes back later.
- floor: `ssh HOST true`, one to each side by side, with our choice of key exchange: what it
  takes to log in to {FEW} guests.
- one role changed: the text of one role of {FEW} in the composition; `init()` builds it and
  boots the one machine of that role. That no other one booted is checked likewise.
- the first init(): the whole deployment, as the peer that nothing is saved for; of guests
  with the build of what is not in Nix's store.
""",
    varies="machines",
    sizes=(FEW, MANY),
    smoke=(1, 2),
    open=contestants,
    goals=(
        Goal(f"init() again, unchanged, {FEW} machines", alone(FEW), at_most=1, unit="s"),
        Goal(
            f"the same, no connection open, {FEW} machines",
            alone(FEW, ours=COLD),
            at_most=1,
            unit="s",
            cause=f"to log in to {FEW} emulated guests on the cores of this computer takes "
            "longer by itself, as the floor shows; what is asked of them then takes the rest.",
        ),
        Goal(f"init() again, unchanged, {MANY} hosts", alone(MANY), at_most=6, unit="s"),
        Goal(
            f"machines booted where one role of {FEW} has changed",
            alone(FEW, "machines booted", ours=CHANGED),
            at_most=1,
        ),
    ),
    needs=(("sshd", "openssh-server"), ("ip", "iproute2")),
)
