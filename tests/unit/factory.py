"""Small valid values for unit tests."""

from collections.abc import Iterable
from pathlib import Path

from enoslib_nxc.boots import Run
from enoslib_nxc.built import Artifacts, RoleImage
from enoslib_nxc.config import Settings
from enoslib_nxc.context import NodeContext
from enoslib_nxc.events import silent
from enoslib_nxc.model import Deployment, Identity, Machine, Node, Part, Plan
from enoslib_nxc.state import Home


def image(role: str) -> RoleImage:
    toplevel = f"/nix/store/{'a' * 32}-nixos-system-{role}"
    return RoleImage(toplevel=toplevel, init=f"{toplevel}/init")


def artifacts(*roles: str) -> Artifacts:
    return Artifacts(
        flavour="vm-ramdisk",
        system="x86_64-linux",
        composition="composition",
        compose_info=Path("/nix/store/info.json"),
        compositions_info_path="/nix/store/compositions-info.json",
        roles={role: image(role) for role in roles},
        kernel="/nix/store/k/kernel",
        initrd="/nix/store/i/initrd",
        all_info={
            "kernel": "/nix/store/k/kernel",
            "initrd": "/nix/store/i/initrd",
            "stage1": "x",
        },
    )


def part(*roles: str, flavour: str = "vm-ramdisk") -> Part:
    return Part(
        flavour=flavour,
        roles=roles,
        artifacts=artifacts(*roles),
        networks=("192.168.1.0/24",),
    )


def machine(host: str, index: int, state: str = "planned") -> Machine:
    return Machine(
        host=host,
        address=f"192.168.1.{index}",
        ssh_host="127.0.0.1",
        ssh_port=20000 + index,
        flavour="vm-ramdisk",
        mac=f"52:54:00:12:01:{index:02x}",
        state=state,
    )


def deployment(*hosts: str, state: str = "planned") -> Deployment:
    nodes = tuple(
        Node(host=host, role=host.rstrip("0123456789"), index=i, memory=256, cores=1)
        for i, host in enumerate(hosts, 1)
    )
    return Deployment(
        job_name="test",
        token="0123456789abcdef",
        parts=(part(*{node.role for node in nodes}),),
        plan=Plan(nodes=nodes),
        machines={node.host: machine(node.host, node.index, state) for node in nodes},
        ssh_key=Path("/home/u/key"),
    )


def identity(host: str) -> Identity:
    role = host.rstrip("0123456789")
    return Identity(host=host, role=role, toplevel=image(role).toplevel, digest="d" * 16)


def run(tmp_path: Path, made: Deployment, **settings: object) -> Run:
    roles: dict[str, dict[str, int]] = {}
    for node in made.plan.nodes:
        roles.setdefault(node.role, {"nodes": 0})["nodes"] += 1
    wish = {"roles": roles, "job_name": "test", **settings}
    return Run(
        settings=Settings.model_validate(wish),
        home=Home(tmp_path),
        deployment=made,
        context=NodeContext(text="{}", hosts="192.168.1.1 server"),
        report=silent,
    )


def having(made: Deployment, *, machines: Iterable[Machine] = (), **part: object) -> Deployment:
    """Return a deployment of one flavour with its part, and machines, changed."""
    changed = {each.host: each for each in machines} or made.machines
    if flavour := part.get("flavour"):
        changed = {h: m.model_copy(update={"flavour": flavour}) for h, m in changed.items()}
    parts = (made.part.model_copy(update=part),)
    return made.model_copy(update={"machines": changed, "parts": parts})
