"""The test script of a composition, run with the calls of NixOS's test driver.

`script` reads and runs it, `names` gives the machines their names in it, `machine` and
`units` are the calls, `remote` carries commands to machines.
"""

from enoslib_nxc.driver.machine import SCRIPT_SECONDS
from enoslib_nxc.driver.names import named
from enoslib_nxc.driver.remote import Answer, Remote, Shell
from enoslib_nxc.driver.script import Script, from_file, of, run
from enoslib_nxc.driver.units import Machine

__all__ = [
    "SCRIPT_SECONDS",
    "Answer",
    "Machine",
    "Remote",
    "Script",
    "Shell",
    "from_file",
    "named",
    "of",
    "run",
]
