"""Ansible's `command` and `shell` on systems of ours, without Python there.

The module costs a start of Python with much to compile on the machine, far more than most
commands, and every `en.run_command` goes through it. Plain commands are run by the machine's
shell instead, with the same result; all others, and all other hosts, are left to the module.
Ansible's action `shell` calls this one too.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from datetime import datetime

from ansible.plugins.action import ActionBase
from ansible.utils.vars import merge_hash

from enoslib_nxc.names import ROLE_VARIABLE
from enoslib_nxc.presence.look import of_host

PLAIN = frozenset({"_raw_params", "cmd", "_uses_shell"})
"""Arguments of the module that are understood here."""

# what the command leaves in the background may write on: nobody waits for that
SCRIPT = """\
{known}d=$(mktemp -d) || {{ echo {mark}=none; exit; }}
{words} < /dev/null > "$d/1" 2> "$d/2"
s=$?
cat "$d/1"
cat "$d/2" >&2
rm -rf "$d"
printf '\\n{mark}=%s\\n' "$s\""""


def script(raw: str, mark: str, *, shell: bool) -> str | None:
    """Return what runs a command on a machine, and tells its exit status in a last line.

    ssh's own exit status would not do: Ansible takes 255 for a broken connection.

    Args:
        raw: the command, as the task has it.
        mark: word that the last line begins with.
        shell: whether it is text for a shell.

    Returns:
        None where only the module knows what is meant: it expands variables without a shell.
    """
    if not raw.strip():
        return None
    if shell:
        return SCRIPT.format(words=f"/bin/sh -c {shlex.quote(raw)}", mark=mark, known="")
    try:
        words = shlex.split(raw)
    except ValueError:
        return None
    if not words or any(sign in word for word in words for sign in "$~"):
        return None
    # the module has words of its own for a program that is not there
    known = f"command -v {shlex.quote(words[0])} > /dev/null || {{ echo {mark}=none; exit; }}\n"
    return SCRIPT.format(words=f"env -- {shlex.join(words)}", mark=mark, known=known)


def result(
    told: Mapping[str, object], mark: str, cmd: object, began: datetime, ended: datetime
) -> dict[str, object] | None:
    """Return the result as the module would have it; None where the machine ran no command.

    Args:
        told: what the connection gave: stdout, stderr.
        mark: word that the last line of stdout begins with.
        cmd: the command, as results show it.
        began: when it did.
        ended: likewise.
    """
    stdout = str(told["stdout"])
    if stdout.strip() == f"{mark}=none":
        return None
    found = re.fullmatch(rf"(.*)\n{mark}=(\d+)\n", stdout, re.S)
    if found is None:
        # it may have been run, so it is not tried again
        return {"failed": True, "msg": "the machine did not say how the command ended", **told}
    status = int(found[2])
    failed = {"failed": True, "msg": "non-zero return code"} if status else {"msg": ""}
    out, err = found[1].rstrip("\r\n"), str(told["stderr"]).rstrip("\r\n")
    return {
        "changed": True,
        "cmd": cmd,
        "rc": status,
        "stdout": out,
        "stdout_lines": out.splitlines(),
        "stderr": err,
        "stderr_lines": err.splitlines(),
        "start": str(began),
        "end": str(ended),
        "delta": str(ended - began),
        **failed,
    }


class ActionModule(ActionBase):  # type: ignore[misc]
    """Ansible's `command`, or the machine's shell.

    Ansible loads this file under the name of its own, which cannot be inherited from.
    """

    def run(
        self, tmp: object = None, task_vars: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Run the task."""
        return self._plainly(task_vars or {}) or self._by_module(tmp, task_vars)

    def _by_module(self, tmp: object, task_vars: dict[str, object] | None) -> dict[str, object]:
        """Run the module, as Ansible's own action of this name does (ansible-core 2.17)."""
        self._supports_async = True
        before = super().run(tmp, task_vars)
        detached = self._task.async_val and not self._connection.has_native_async
        module = {"module_name": "ansible.legacy.command", "task_vars": task_vars}
        ran = self._execute_module(**module, wrap_async=detached)
        if not detached:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        done: dict[str, object] = merge_hash(before, ran)
        return done

    def _plainly(self, known: Mapping[str, object]) -> dict[str, object] | None:
        """Run it by the machine's shell; None where the module is needed."""
        task, given = self._task, self._task.args
        if not of_host(task, known).get(ROLE_VARIABLE) or given.keys() - PLAIN:
            return None
        if task.async_val or task.check_mode or any(task.environment or ()):
            return None
        if self._connection.become:
            return None
        raw = given.get("_raw_params") or given.get("cmd")
        shell = bool(given.get("_uses_shell"))
        mark = f"nxc-{secrets.token_hex(8)}"
        text = script(raw, mark, shell=shell) if isinstance(raw, str) else None
        if text is None or not isinstance(raw, str):
            return None
        began = datetime.now()
        told = self._low_level_execute_command(text, sudoable=False)
        return result(told, mark, raw if shell else shlex.split(raw), began, datetime.now())
