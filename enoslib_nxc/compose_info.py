"""Reads and checks the compose info, the JSON file that building a composition gives.

Format: NXC 0.7 (`nix/multiple_compositions.nix` of package nixos-compose: a role is its
toplevel) and 0.6 (a role is `{init, closure_info, ...}`). Keys that are not known here are
let through, since NXC grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from enoslib_nxc import compose_file, container_info
from enoslib_nxc.built import Artifacts, RoleImage, StoreMap
from enoslib_nxc.compose_file import ComposeFile
from enoslib_nxc.errors import ArtifactError

DOCKER = "docker"
"""The flavour whose compose info names a compose file."""

REBUILD = "build it anew, or change flavour"
GIVE_ANOTHER = "set composition to a compose-info file that nix build or nxc build made"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Flavour(_Part):
    name: str


class _Role06(_Part):
    init: str
    closure_info: str | None = None


class _Composition(_Part):
    roles: dict[str, str | _Role06]
    test_script: str = ""
    roles_distribution: dict[str, int | list[str]] = Field(default_factory=dict)


class _All(_Part):
    kernel: str
    initrd: str
    qemu_script: str = ""
    image: str = ""


class _Info(_Part):
    flavour: _Flavour
    system: str
    compositions_info_path: str = ""
    compositions_info: dict[str, _Composition]
    all: _All


class _Containers(_Part):
    """The form of flavour docker, which names its roles' systems in another file."""

    image: str
    roles: list[str]
    compose_file: str = Field(alias="docker-compose-file")
    test_script: str = ""
    roles_distribution: dict[str, int | list[str]] = Field(default_factory=dict)


class _ContainersOfSeveral(_Part):
    """What flavour docker has for several compositions; NXC makes none (`compose.nix`)."""

    compositions_info: dict[str, _Containers]


def read(path: Path, *, flavour: str, composition: str, store: StoreMap) -> Artifacts:
    """Read a compose info and check that the files it needs are here.

    Args:
        path: the file.
        flavour: the flavour it must have been built for.
        composition: the composition wanted of those in it.
        store: where the store paths that it names are on this machine.

    Raises:
        ArtifactError: the file is absent, is no compose info, is for another flavour, has
            no such composition, or names a kernel, initrd or init that is not here.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"cannot read the compose info {path}: {error.strerror}",
            resolution="build it, or set composition to a flake or to a compose-info file",
        ) from error
    if flavour == DOCKER:
        return _read_containers(content, path, composition, store)
    artifacts = parse(
        content, source=path, flavour=flavour, composition=composition, store=store
    )
    if flavour in container_info.READERS:
        named = {f"init of {name}": role.init for name, role in artifacts.roles.items()}
    else:
        named = {"kernel": artifacts.kernel, "initrd": artifacts.initrd}
    for name, there in named.items():
        _check_present(name, there, source=path, store=store)
    return artifacts


def _read_containers(
    content: bytes, path: Path, composition: str, store: StoreMap
) -> Artifacts:
    tree = _load(content, path)
    _check_flavour(tree.get("flavour"), DOCKER, path)
    try:
        info = _containers_of(tree, composition, path)
    except ValidationError as error:
        raise _not_compose_info(error, path) from error
    for name, stored in (("compose file", info.compose_file), ("image", info.image)):
        _check_present(name, stored, source=path, store=store)
    file = store.real(info.compose_file)
    made = compose_file.parse(file.read_bytes(), source=file)
    roles = {name: _containers_role(name, made, file) for name in info.roles}
    for name, role in roles.items():
        _check_present(f"init of {name}", role.init, source=path, store=store)
    return Artifacts(
        flavour=DOCKER,
        system="",
        composition=composition,
        compose_info=path,
        roles=roles,
        roles_distribution=_distribution(info.roles_distribution),
        image=info.image,
        compose_file=info.compose_file,
        test_script=info.test_script,
        store=store,
    )


def _containers_of(tree: Mapping[str, object], composition: str, source: Path) -> _Containers:
    """Return what is in the file of one composition, unnamed, or of several, by name."""
    if "compositions_info" not in tree:
        return _Containers.model_validate(tree)
    several = _ContainersOfSeveral.model_validate(tree).compositions_info
    if composition not in several:
        raise _no_composition(source, composition, several)
    return several[composition]


def _no_composition(source: Path, wanted: str, there: Iterable[str]) -> ArtifactError:
    return ArtifactError(
        f"{source} has no composition {wanted!r}",
        resolution="set composition_name to one of those in it: "
        + (", ".join(sorted(there)) or "none"),
    )


def _containers_role(name: str, made: ComposeFile, file: Path) -> RoleImage:
    if name not in made.services:
        raise ArtifactError(
            f"{file} has no service for role {name}", resolution="build it anew"
        )
    return _role(made.services[name].command[0].removesuffix("/init"))


def _distribution(given: Mapping[str, int | list[str]]) -> dict[str, int | tuple[str, ...]]:
    return {r: tuple(entry) if isinstance(entry, list) else entry for r, entry in given.items()}


def parse(
    content: bytes, *, source: Path, flavour: str, composition: str, store: StoreMap
) -> Artifacts:
    """Read the text of a compose info; no file is touched.

    Args:
        content: the text, UTF-8.
        source: the file it comes from, for messages and for `Artifacts.compose_info`.
        flavour: the flavour it must have been built for.
        composition: the composition wanted of those in it.
        store: where the store paths that it names are on this machine.

    Raises:
        ArtifactError: see `read`.
    """
    tree = _load(content, source)
    _check_flavour(tree.get("flavour"), flavour, source)
    try:
        if flavour in container_info.READERS:
            read_tree = container_info.READERS[flavour]
            return read_tree(tree, source=source, composition=composition, store=store)
        info = _Info.model_validate(tree)
    except ValidationError as error:
        raise _not_compose_info(error, source) from error
    chosen = info.compositions_info.get(composition)
    if chosen is None:
        raise _no_composition(source, composition, info.compositions_info)
    shared = tree["all"]
    return Artifacts(
        flavour=flavour,
        system=info.system,
        composition=composition,
        compose_info=source,
        compositions_info_path=info.compositions_info_path,
        roles={name: _role(role) for name, role in chosen.roles.items()},
        roles_distribution=_distribution(chosen.roles_distribution),
        kernel=info.all.kernel,
        initrd=info.all.initrd,
        qemu_script=info.all.qemu_script,
        image=info.all.image,
        all_info={key: value for key, value in shared.items() if isinstance(value, str)},
        test_script=chosen.test_script,
        store=store,
    )


def _load(content: bytes, source: Path) -> dict[str, dict[str, object]]:
    try:
        tree = from_json(content)
    except ValueError as error:
        raise ArtifactError(
            f"{source} is not JSON; it looks like {_looks_like(content)}",
            details=str(error),
            resolution=GIVE_ANOTHER,
        ) from error
    if not isinstance(tree, dict):
        raise ArtifactError(
            f"{source} is no compose info: it holds a JSON {type(tree).__name__}, not an object"
        )
    return tree


def _looks_like(content: bytes) -> str:
    """Say what a file is that should be JSON; a hint for people, by its first bytes."""
    head = content[:4096].lstrip()
    if not head:
        return "an empty file"
    if b"\0" in head or re.search(rb"[^\x00-\x7f]", head[:4]):
        return "a binary file"
    kinds = (
        (rb"[{\[]\s*[\"}\]]", "JSON that is damaged or cut short"),
        (rb"#!", "a script"),
        (rb"<", "HTML or XML"),
        (rb"(#.*\n\s*)*(\{|rec|let|with|import)\b|\{", "a Nix expression"),
        (rb"(#.*\n\s*)*(---|[\w-]+:(\s|$))", "YAML"),
    )
    return next((kind for pattern, kind in kinds if re.match(pattern, head)), "plain text")


def _check_flavour(built_for: object, flavour: str, source: Path) -> None:
    """Refuse another flavour's file before anything else: it lacks other keys too."""
    name = built_for.get("name") if isinstance(built_for, dict) else built_for
    if not isinstance(name, str):
        return  # the models say which key is missing
    if name != flavour:
        raise ArtifactError(
            f"{source} was built for flavour {name}, not {flavour}", resolution=REBUILD
        )


def _not_compose_info(error: ValidationError, source: Path) -> ArtifactError:
    first = error.errors()[0]
    # a role is one of two forms, and pydantic names the form it tried after the role
    keys = [str(word) for word in first["loc"] if word not in ("str", "_Role06", "int")]
    key = ".".join(keys)
    if first["type"] == "missing":
        return ArtifactError(
            f"{source} is no compose info: it lacks {key!r}",
            resolution=GIVE_ANOTHER,
        )
    return ArtifactError(
        f"{source} is no compose info: {key!r} is not what NXC writes there",
        details=first["msg"],
    )


def _role(role: str | _Role06) -> RoleImage:
    if isinstance(role, str):
        return RoleImage(toplevel=role, init=f"{role}/init")
    return RoleImage(
        toplevel=role.init.removesuffix("/init"),
        init=role.init,
        closure_info=role.closure_info,
    )


def _check_present(name: str, path: str, *, source: Path, store: StoreMap) -> None:
    real = store.real(path)
    if real.is_file():
        return
    place = "" if str(real) == path else f" (here {real})"
    raise ArtifactError(
        f"the {name} {path}{place} that {source} names is not on this machine",
        resolution="build the composition here, or set build.store to the root of the store "
        "that has it",
    )
