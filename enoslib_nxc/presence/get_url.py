"""`get_url` on systems of ours: files that the composition has need no download."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib_nxc import compat
from enoslib_nxc.presence.look import Presence, failed, present


class ActionModule(Presence):
    """Ansible's `get_url`, or a look."""

    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """See that a file of the table is there; all others are downloaded."""
        path = str(self._task.args.get("dest", ""))
        names = compat.table().bring_file(path)
        if not names:
            return None
        found = self.ask(known, files=[path])
        if path in found.files:
            return present([path])
        return failed("get_url", [path], compat.advice(names, role, found.installed))
