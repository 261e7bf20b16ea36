"""Ansible's `apt`, `pip` and `get_url` where a composition's system runs.

EnOSlib's services install what they need. On a system that was built with it there is nothing
to install, and no apt: these tasks see that it is there, or say what to add to the composition.
On all other hosts they are Ansible's own. Ansible finds them by name, as action plugins: a
file each, with a class `ActionModule`.
"""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).parent
"""What Ansible is to search for plugins of kind `action`."""


def activate() -> None:
    """Let this process's Ansible find them; `ansible.builtin.apt` stays Ansible's own."""
    from ansible.plugins.loader import action_loader

    action_loader.add_directory(str(DIRECTORY))
