"""What a deployment is made of, and what its runs took: for a paper's appendix."""

from __future__ import annotations

from collections.abc import Sequence

from enoslib.html import repr_html_check
from pydantic import JsonValue

from enoslib_nxc import history, notebook, runs
from enoslib_nxc.data import Data
from enoslib_nxc.events import Phase
from enoslib_nxc.health import place
from enoslib_nxc.model import Deployment, Part
from enoslib_nxc.runs import COLUMNS, Means, Run
from enoslib_nxc.steps import Call


class Built(Data):
    """What was built for one flavour.

    Args:
        flavour: the flavour.
        composition: the composition chosen.
        flake: the flake, or compose-info file, as it was given.
        lock_hash: sha256 (hex) over its lock files, "" where there are none.
        compose_info: the compose-info file.
        toplevels: role -> store path of its system.
        nar_hashes: store path -> NAR hash (SRI).
        digests: "kernel", "initrd" -> sha256 (hex).
        versions: program or package -> version that built it.
    """

    flavour: str
    composition: str
    flake: str
    lock_hash: str
    compose_info: str
    toplevels: dict[str, str]
    nar_hashes: dict[str, str]
    digests: dict[str, str]
    versions: dict[str, str]


class HostAccount(Data):
    """A host, and where it ran.

    Args:
        host: host name.
        role: role of the composition.
        flavour: its flavour.
        place: the node, container or address that it is, or the host that runs it.
        address: by which the machines know each other.
        state: as on record.
    """

    host: str
    role: str
    flavour: str
    place: str
    address: str
    state: str


class CallAccount(Data):
    """One `init()`.

    Args:
        at: when it began, seconds since the epoch.
        seconds: column of `COLUMNS` -> seconds.
        failed: what failed, "" when nothing did.
        versions: program or package -> version that ran it.
    """

    at: float
    seconds: dict[str, float]
    failed: str = ""
    versions: dict[str, str]


class Account(Data):
    """What a deployment is made of, and the runs of its name.

    Args:
        job_name: its name.
        created: when it was made, seconds since the epoch; None where it was destroyed, and
            only its runs are left.
        configuration: that of the last `init()`, as `from_dictionary` takes it.
        built: what was built, by flavour.
        hosts: its hosts, in the order of the plan.
        jobs: "SITE/NUMBER" of its reservations.
        calls: its `init()` calls, in their order.
        runs: the runs of that name, of earlier deployments too.
        means: of those of them that can be compared.
    """

    job_name: str
    created: float | None = None
    configuration: dict[str, JsonValue] = {}
    built: tuple[Built, ...] = ()
    hosts: tuple[HostAccount, ...] = ()
    jobs: tuple[str, ...] = ()
    calls: tuple[CallAccount, ...] = ()
    runs: tuple[Run, ...] = ()
    means: tuple[Means, ...] = ()

    @repr_html_check  # type: ignore[untyped-decorator]
    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        calls = [{"at": call.at, **call.seconds, "failed": call.failed} for call in self.calls]
        columns = runs.columns(self.runs)
        tables = {
            "Built": [built.model_dump() for built in self.built],
            "Hosts": [host.model_dump() for host in self.hosts],
            "init() calls": calls,
            "Runs": [_row(run, columns) for run in self.runs],
        }
        facts = {"job_name": self.job_name, "jobs": self.jobs}
        return notebook.page("NixOSCompose report", facts, tables)


def of(deployment: Deployment) -> Account:
    """Gather it from the deployment's record, and that of its runs; no machine is asked.

    Args:
        deployment: the record.
    """
    calls = history.read(deployment.job_name)
    first = max((at for at, call in enumerate(calls) if call.fresh), default=0)
    nodes = [node for node in deployment.plan.nodes if node.host in deployment.machines]
    machines = deployment.machines
    known = runs.of(calls)
    return Account(
        job_name=deployment.job_name,
        created=deployment.created,
        configuration=calls[-1].configuration if calls else {},
        built=tuple(map(_built, deployment.parts)),
        hosts=tuple(
            HostAccount(
                host=node.host,
                role=node.role,
                flavour=machines[node.host].flavour,
                place=place(machines[node.host]),
                address=machines[node.host].address,
                state=machines[node.host].state,
            )
            for node in nodes
        ),
        jobs=tuple(f"{job.site}/{job.uid}" for job in deployment.jobs),
        calls=tuple(map(_call, calls[first:])),
        runs=known,
        means=runs.comparable(known),
    )


def past(job_name: str) -> Account | None:
    """Return the runs of a name without a deployment, None where there are none.

    Args:
        job_name: the name.
    """
    calls = history.read(job_name)
    if not calls:
        return None
    known = runs.of(calls)
    return Account(
        job_name=job_name,
        configuration=calls[-1].configuration,
        runs=known,
        means=runs.comparable(known),
    )


def _built(part: Part) -> Built:
    made = part.artifacts
    return Built(
        flavour=part.flavour,
        composition=made.composition,
        flake=made.provenance.flake,
        lock_hash=made.provenance.lock_hash,
        compose_info=str(made.compose_info),
        toplevels={role: made.roles[role].toplevel for role in part.roles},
        nar_hashes=made.provenance.nar_hashes,
        digests=made.provenance.digests,
        versions=made.provenance.versions,
    )


def _row(run: Run, columns: Sequence[str]) -> dict[str, object]:
    seconds = {name: run.seconds.get(name) for name in columns}
    return {"run": run.number, **seconds, "failed": run.failed, "retries": run.retries}


def _call(call: Call) -> CallAccount:
    steps = tuple(s for s in call.steps if not s.user and s.phase != Phase.DESTROY.value)
    phases = call.model_copy(update={"steps": steps}).phases
    failed = [step.message for step in steps if step.outcome == "failed"]
    return CallAccount(
        at=call.at,
        seconds={
            column: round(sum(phases.get(name, 0.0) for name in names), 3)
            for column, names in COLUMNS.items()
        },
        failed=failed[-1] if failed else "",
        versions=call.versions,
    )
