"""`NixOSComposeConf`: the configuration as EnOSlib's users build it.

Importing this module must stay cheap, so pydantic comes in when something is checked.
"""

from __future__ import annotations

import copy
import pprint
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from enoslib.html import repr_html_check
from enoslib.infra.configuration import BaseConfiguration

from enoslib_nxc import config_file, notebook, resources
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.machine_conf import (
    MachineConfiguration,
    NetworkConfiguration,
    machine_mistakes,
    machine_of,
    machines_of,
    mappings,
    network_of,
    plain,
    role_table,
    short,
    unknown_keys,
)
from enoslib_nxc.mistakes import Mistake, config_error, show

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings


class _SchemaOnDemand:
    """EnOSlib's class attribute `_SCHEMA`, made when it is read."""

    def __get__(self, _instance: object, owner: type[NixOSComposeConf]) -> dict[str, object]:
        return owner.json_schema()


class NixOSComposeConf(BaseConfiguration):  # type: ignore[misc]
    """A configuration in the making: each method changes it and returns it.

    Machines are added with `add_machine`; every other key of `config.Settings` is set with
    `set(KEY=VALUE)` and becomes an attribute. `finalize` checks the whole; from then on,
    until the next change, `settings` gives the result.
    """

    _SCHEMA = _SchemaOnDemand()

    def __init__(self) -> None:
        super().__init__()
        self._machine_cls = MachineConfiguration
        self._network_cls = NetworkConfiguration
        self._checked: tuple[dict[str, object], Settings] | None = None

    @classmethod
    def from_dictionary(
        cls, dictionary: Mapping[str, object], validate: bool = True
    ) -> NixOSComposeConf:
        """Build it from a dictionary.

        Args:
            dictionary: the keys of `config.Settings`, `roles` with a count, a list of host
                names or a full description for each role; or EnOSlib's form, `resources`
                with `machines` and `networks` as `add_machine` and `add_network` take them,
                in place of `roles` and `networks`.
            validate: check it now, and tell all mistakes at once; otherwise `finalize` will.

        Raises:
            ConfigError: with everything that is wrong.
        """
        return cls()._fill(dictionary, check=validate)

    @classmethod
    def from_file(cls, path: str | Path) -> NixOSComposeConf:
        """Build it from a YAML file (JSON when its name ends in `.json`), and check it.

        Relative paths in it are relative to the current directory.

        Raises:
            ConfigError: naming the file, with everything that is wrong.
        """
        file = Path(path).expanduser()
        dictionary = config_file.read(file)
        try:
            return cls.from_dictionary(dictionary)
        except ConfigError as error:
            raise ConfigError(
                f"{file}: {error.brief}", details=error.details, resolution=error.resolution
            ) from None

    @classmethod
    def validate(
        cls, dictionary: Mapping[str, object], schema: Mapping[str, object] | None = None
    ) -> None:
        """Check a dictionary of either form (`schema` is EnOSlib's, and unused).

        Raises:
            ConfigError: with everything that is wrong.
        """
        cls()._fill(dictionary, check=True)

    @staticmethod
    def json_schema() -> dict[str, object]:
        """Return the JSON schema of the configuration, for editors and for documentation."""
        from enoslib_nxc.config import Settings

        return Settings.model_json_schema()

    def set(self, **kwargs: object) -> NixOSComposeConf:
        """Set keys of `config.Settings`; None takes a key back to its default.

        A section given replaces the whole section; `roles` and `networks` replace all
        machines and networks.

        Raises:
            ConfigError: `roles` or `networks` of a wrong form.
        """
        return self._fill(kwargs, check=False)

    def add_machine(self, **kwargs: object) -> NixOSComposeConf:
        """Add machines of one role.

        `add_machine(roles=["agent", "compute"], nodes=2)`: two machines of the composition's
        role `agent`, also found under the tag `compute`. Adding to a role again adds
        machines, provided that tags, memory and cores are the same.

        Args:
            **kwargs: `roles` (a list, the composition's role first) or `role`, and any of
                `tags`, `nodes`, `hosts`, `min`, `memory` (MiB), `cores`; see
                `MachineConfiguration`.

        Raises:
            ConfigError: with everything that is wrong with these machines.
        """
        if mistakes := machine_mistakes(kwargs, path="add_machine"):
            raise config_error(mistakes)
        return self.add_machine_conf(machine_of(kwargs))

    def add_machine_conf(self, machine: MachineConfiguration) -> NixOSComposeConf:
        """Add machines of one role; see `add_machine`."""
        from enoslib_nxc.config_errors import role_mistakes

        if not machine.roles:
            raise config_error([Mistake("add_machine_conf", "roles is empty")])
        path = f"roles.{machine.roles[0]}"
        if mistakes := role_mistakes(machine.description(), path=path):
            raise config_error(mistakes)
        role_table([*self.machines, machine])  # raises where it cannot be merged
        self.machines.append(machine)
        return self

    def add_network(self, **kwargs: object) -> NixOSComposeConf:
        """Give the machines' network further names: `add_network(roles=["private"])`.

        Raises:
            ConfigError: anything but `roles` is given.
        """
        return self.add_network_conf(network_of(kwargs, path="add_network"))

    def add_network_conf(self, network: NetworkConfiguration) -> NixOSComposeConf:
        """Give the machines' network further names; see `add_network`."""
        self.networks.append(network)
        return self

    def transpose(self, flavour: str) -> NixOSComposeConf:
        """Return the same experiment on another flavour; this configuration stays as it is.

        Sections of other platforms are kept, so that it can be transposed back.

        Args:
            flavour: its name.

        Raises:
            ConfigError: there is no such flavour; or, when this configuration was checked,
                everything that is wrong with it on that flavour.
        """
        from enoslib_nxc import flavours
        from enoslib_nxc.config_errors import flavour_mistakes

        if mistakes := flavour_mistakes(flavour, flavours.names()):
            raise config_error(mistakes)
        made = copy.deepcopy(self).set(flavour=flavour)
        return made.finalize() if self._checked else made

    def to_dict(self) -> dict[str, object]:
        """Return what was set, as plain data that `from_dictionary` takes; no defaults."""
        options = {
            key: plain(value)
            for key, value in vars(self).items()
            if not key.startswith("_") and key not in {"machines", "networks"}
        }
        given = {key: value for key, value in options.items() if value is not None}
        given["roles"] = dict(self.roles)
        if self.networks:
            given["networks"] = [network.to_dict() for network in self.networks]
        return given

    @property
    def roles(self) -> Mapping[str, object]:
        """The machines as the configuration's `roles`; setting it replaces them."""
        table = role_table(self.machines)
        return MappingProxyType({role: short(text) for role, text in table.items()})

    @roles.setter
    def roles(self, roles: Mapping[str, object]) -> None:
        self.set(roles=roles)

    def finalize(self) -> NixOSComposeConf:
        """Check the whole, once more after each change.

        Raises:
            ConfigError: with everything that is wrong.
        """
        from enoslib_nxc import flavours
        from enoslib_nxc.config_errors import load_settings

        given = self.to_dict()
        self._checked = (given, load_settings(given, flavours=flavours.names()))
        return self

    @property
    def settings(self) -> Settings:
        """The checked, frozen settings.

        Raises:
            ConfigError: it was never finalized, or has changed since.
        """
        if self._checked is None or self._checked[0] != self.to_dict():
            raise ConfigError(
                "the configuration has not been checked since it changed",
                resolution="call finalize()",
            )
        return self._checked[1]

    @repr_html_check  # type: ignore[untyped-decorator]
    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return notebook.configuration(self.to_dict())

    def __repr__(self) -> str:
        shown = pprint.pformat(self.to_dict(), sort_dicts=False)
        return f"{type(self).__name__}.from_dictionary({shown})"

    def _fill(self, dictionary: Mapping[str, object], *, check: bool) -> NixOSComposeConf:
        """Take over a dictionary's keys; all of them or, when something is wrong, none."""
        from enoslib_nxc import flavours
        from enoslib_nxc.config_errors import known_keys, load_settings

        if not isinstance(dictionary, Mapping):
            raise ConfigError(f"the configuration is {show(dictionary)}, not a mapping")
        given = {key: plain(value) for key, value in dictionary.items()}
        if given.get("resources") is not None:
            given.update(resources.read(given))
        given.pop("resources", None)
        known = known_keys()
        # a known key without a value, as a YAML file may have it, stands for its default
        present = {k: v for k, v in given.items() if v is not None or k not in known}
        if check:
            load_settings(present, flavours=flavours.names())
        elif mistakes := unknown_keys(given, known, path=""):
            raise config_error(mistakes)
        elif "roles" in present:
            load_settings({"roles": present["roles"]})
        self._assign(given)
        return self.finalize() if check else self

    def _assign(self, given: Mapping[str, Any]) -> None:
        options = dict(given)
        if "networks" in options:
            described = mappings(options.pop("networks") or [], path="networks")
            self.networks = [network_of(each, path=path) for path, each in described]
        if "roles" in options:
            self.machines = machines_of(options.pop("roles") or {})
        for key, value in options.items():
            setattr(self, key, value)
