"""Write docs/services.md from the table of `enoslib.compat`: python docs/services.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from enoslib_nxc import compat

PAGE = Path(__file__).with_name("services.md")

HEAD = """# EnOSlib's services

This page is made from `enoslib_nxc/embedded/nxc/compat.json` by `python docs/services.py`.

EnOSlib's services install what they need with apt and pip, which a NixOS system does not have.
Here the composition has it from the start. A role says which services it is for:

```nix
agent = { pkgs, ... }: {
  enoslib.compat = [ "netem" "tcpdump" "dstat" ];
};
```

The embedded library has this option. For nixpkgs it is a NixOS module, for all roles of a
composition by NXC's `extraConfigurations`:

```nix
{
  inputs.nxc.url = "git+https://gitlab.inria.fr/nixos-compose/nixos-compose.git";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05";
  inputs.enoslib-nxc.url = "path:/path/to/enoslib-nxc";

  outputs = { self, nxc, nixpkgs, enoslib-nxc }: {
    packages.x86_64-linux = nxc.lib.compose {
      inherit nixpkgs;
      system = "x86_64-linux";
      composition = ./composition.nix;
      extraConfigurations = [ enoslib-nxc.nixosModules.enoslib-compat ];
    };
  };
}
```

The module was evaluated with a stand-in for NixOS's; no system was built with it.

## What happens to the tasks

With `import enoslib_nxc`, Ansible's `apt`, `pip` and `get_url` look first whether a host runs a
composition's system (its variable `enoslib_nxc_role`, which `init()` sets). That of a task with
`delegate_to` is the host that it is delegated to.

- If so, nothing is installed. `apt` looks for the packages' programs, `pip` for the packages of
  Python, `get_url` for the files of the table below. What is there is `ok`; for the rest the
  task fails and says what to add to the composition. A version is that of the composition:
  another one that `pip` was asked for is a warning.
- If not, also where a machine keeps its own system (flavours `stock` and `g5k-stock`), the
  task is Ansible's own, unchanged: Debian hosts of the same experiment install as ever, with
  an `ANSIBLE_LIBRARY` of your own too.
- `ansible.builtin.apt`, by its full name, is always Ansible's own; so is `pip` with
  `virtualenv` or `executable`, and `get_url` for any other file.

Commands that EnOSlib runs by itself (`which fping || apt install -y fping`) find their program
or fail with what the shell says. `ansible-playbook` in a shell knows the tasks when
`ANSIBLE_ACTION_PLUGINS` is the directory `enoslib_nxc.presence.DIRECTORY`.
"""

STATES = {
    "works": "works",
    "unshown": "should work; not shown here",
    "no": "does not work",
}


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _services(table: compat.Table) -> Iterator[str]:
    yield "| service | state | `enoslib.compat` | what to know | in the composition instead |"
    yield "| --- | --- | --- | --- | --- |"
    for name, service in table.services.items():
        state = STATES[service.state]
        if service.test:
            file, _, test = service.test.partition("::")
            state += f": [{test}](../{file})"
        cells = [f"`{name}`", state, _code(service.compat), service.text, service.nix]
        yield f"| {' | '.join(cells)} |"


def _names(table: compat.Table) -> Iterator[str]:
    yield "| name | Debian | nixpkgs | Python of nixpkgs | NixOS options | kernel | files |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, needs in table.names.items():
        debian = _code((*(needs.debian or ()), *(f"{one} (PyPI)" for one in needs.wheels)))
        if needs.debian is None:
            debian = f"none: {needs.reason}"
        cells = [f"`{name}`", debian, _code(needs.nixpkgs), _code(needs.python)]
        cells += [_code(needs.nixos), _code(needs.kernel_modules), _code(needs.files)]
        yield f"| {' | '.join(cells)} |"


def page() -> str:
    """Return the text of the page."""
    table = compat.table()
    return "\n".join(
        [
            HEAD,
            "## Services\n",
            "Those of EnOSlib 10.9. What works was tried on the embedded composition, flavour "
            "`vm-ramdisk`, by the test that is named, which `scripts/test --full` runs.\n",
            *_services(table),
            "\n`Planning` is what `PlanningService` carries out. `_Conda` and the older "
            "`_Dask`, which EnOSlib keeps to itself, download an installer.\n",
            "## What a name brings\n",
            "With NixOS also, for any name: `python3`, the links `/usr/bin/python3` and "
            "`/bin/bash`, and the directory `/usr/lib/python3`, where EnOSlib looks for files. "
            "The embedded library has them anyway, and most of these packages in its base. One "
            "that the lock of your composition lacks is named, with the command that adds it "
            "(`enoslib-nxc lock --add PACKAGE DIRECTORY`). Kernel modules are loaded when they "
            "are needed; NixOS loads them at boot.\n",
            *_names(table),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page())
