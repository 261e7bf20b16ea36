"""What a machine is told at boot: NXC's deployment JSON, and how it gets there.

Formats: `facts` of NixOS Compose 0.7.11, `nix/flavours/shared/stage-1-cmds.nix`. Stage 1
reads `deploy=` from the kernel's command line: the JSON itself in base64, or an http(s) URL.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping

from enoslib_nxc.built import Artifacts
from enoslib_nxc.data import Data, Scalar
from enoslib_nxc.model import Identity, Machine, Plan

COMMAND_LINE_LIMIT = 2047
"""Characters of a kernel command line on x86 (COMMAND_LINE_SIZE 2048, less its NUL)."""

DIGEST_PARAMETER = "nxc.id"
"""Our own kernel parameter: the digest of a machine's identity, so that what a running
machine was booted with can be read from the machine itself."""

DIGEST_LENGTH = 16
"""Hex digits of the digest: 64 bits tell configurations apart, and spare the command line."""

_NODE_KEYS = ("kernel", "initrd", "init", "all_compositions_registration_store_path")
"""Keys of `all` that stage 1 or stage 2 reads; the others would only use up the line."""


class NodeContext(Data):
    """What all machines of a deployment are told.

    Args:
        text: the deployment JSON, compact.
        hosts: lines of `/etc/hosts` that stage 1 makes of it, in its order.
    """

    text: str
    hosts: str

    @property
    def hosts_digest(self) -> str:
        """Sha256 of `/etc/nxc/deployment-hosts` as stage 1 writes it."""
        return hashlib.sha256(f"{self.hosts}\n".encode()).hexdigest()


def make(
    artifacts: Artifacts,
    plan: Plan,
    machines: Mapping[str, Machine],
    *,
    authorized: Iterable[str],
    user: str,
    parameters: Mapping[str, Scalar],
) -> NodeContext:
    """Return NXC's deployment JSON for a deployment.

    Args:
        artifacts: what was built.
        plan: roles bound to hosts.
        machines: host name -> machine; their addresses are the keys.
        authorized: public keys that may log in as root.
        user: login that the JSON names (on Grid'5000 the owner of the home to mount).
        parameters: the user's parameters.
    """
    nodes = [(machines[node.host], node) for node in plan.nodes if node.host in machines]
    document: dict[str, object] = {
        "ssh_key.pub": "\n".join(authorized),
        "deployment": {m.address: {"role": n.role, "host": n.host} for m, n in nodes},
        "all": {k: artifacts.all_info[k] for k in _NODE_KEYS if k in artifacts.all_info},
        "compositions_info_path": artifacts.compositions_info_path,
        "composition": artifacts.composition,
        "user": user,
    }
    if parameters:
        document["parameters"] = dict(parameters)
    return NodeContext(
        text=json.dumps(document, separators=(",", ":")),
        hosts="\n".join(f"{machine.address} {node.host}" for machine, node in nodes),
    )


def inline(context: NodeContext) -> str:
    """Return the `deploy=` parameter that carries the JSON itself."""
    return "deploy=" + base64.b64encode(context.text.encode()).decode()


def by_url(url: str) -> str:
    """Return the `deploy=` parameter that has stage 1 fetch the JSON.

    Args:
        url: an http URL that the machine can reach in stage 1.
    """
    return f"deploy={url}"


def by_path(name: str) -> str:
    """Return the `deploy=` parameter that has stage 1 of flavour vm copy the JSON.

    Args:
        name: of the file in the composition directory that is shared with the machine.
    """
    return f"deploy={name}"


def digest(
    *,
    parameters: Mapping[str, Scalar],
    kernel_params: str,
    shape: Mapping[str, Scalar],
) -> str:
    """Return the digest of what reaches a machine at boot beside its system.

    Args:
        parameters: the user's parameters.
        kernel_params: the user's kernel parameters.
        shape: what else needs a boot to change (memory, cores, address).
    """
    parts = [dict(parameters), kernel_params, dict(shape)]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def command_line(identity: Identity, *words: str) -> str:
    """Join kernel parameters with the mark of a machine's identity.

    Args:
        identity: what the machine is told to run.
        words: the other parameters; empty ones are left out.
    """
    return " ".join([*filter(None, words), f"{DIGEST_PARAMETER}={identity.digest}"])


def fits(line: str) -> bool:
    """Tell whether a kernel command line is not longer than x86 allows."""
    return len(line) <= COMMAND_LINE_LIMIT
