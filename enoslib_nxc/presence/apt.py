"""`apt` on systems of ours: are the packages of Debian in the composition, by any name?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from enoslib_nxc import compat
from enoslib_nxc.presence.look import Presence, failed, present, words

# NAME, NAME:ARCHITECTURE, NAME=VERSION, NAME/RELEASE (apt-get(8), "install")
_NAME = re.compile(r"[^:=/]+")


class ActionModule(Presence):
    """Ansible's `apt`, or a look."""

    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """See that the packages are there; updates and upgrades have nothing to do."""
        args = self._task.args
        if args.get("deb"):
            return failed("apt", [str(args["deb"])], compat.advice([], role, []))
        given = args.get("name") or args.get("pkg") or args.get("package")
        names = [_NAME.match(word) for word in words(given)]
        asked = [found.group().strip() for found in names if found]
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
            here = [name for name in asked if name not in missing]
            if not here:
                return {"msg": f"not in the composition: {', '.join(asked)}"}
            return {
                "failed": True,
                "msg": f"apt: {', '.join(here)} is part of the system that this host runs: "
                f"take it out of role {role} of the composition",
            }
        if missing:
            names_ = compat.table().bring_packages(asked, missing)
            return failed("apt", missing, compat.advice(names_, role, found.installed))
        return present(asked)
