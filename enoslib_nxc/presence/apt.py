"""`apt` on systems of ours: are the packages of Debian in the composition, by any name?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from enoslib_nxc import compat
from enoslib_nxc.presence.look import Presence, absent, failed, present, words

# NAME, NAME:ARCHITECTURE, NAME=VERSION, NAME/RELEASE (apt-get(8), "install")
_NAME = re.compile(r"[^:=/]+")


def package(word: str) -> str:
    """Return the name of a package as a task gives it; a file (`./FILE.deb`) as it is."""
    found = None if word[0] in "./" else _NAME.match(word)
    return found.group().strip() if found else word


class ActionModule(Presence):
    """Ansible's `apt`, or a look."""

    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """See that the packages are there; updates and upgrades have nothing to do."""
        args = self._task.args
        if args.get("deb"):
            return failed("apt", [str(args["deb"])], compat.advice([], role, []))
        given = args.get("name") or args.get("pkg") or args.get("package")
        # all that are installed, for upgrades, are "*"
        asked = [package(word) for word in words(given) if word != "*"]
        seen = {name: compat.table().seen(name) for name in asked}
        found = self.ask(
            known,
            commands={command for one in seen.values() for command in one.commands},
            python={package for one in seen.values() for package in one.python},
        )
        missing = [
            name
            for name, one in seen.items()
            if not (
                found.commands >= {*one.commands} and found.versions.keys() >= {*one.python}
            )
        ]
        if args.get("state") == "absent":
            return absent("apt", asked, missing, role)
        if missing:
            names_ = compat.table().bring_packages(asked, missing)
            return failed("apt", missing, compat.advice(names_, role, found.installed))
        return present(asked)
