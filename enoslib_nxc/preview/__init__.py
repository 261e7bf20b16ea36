"""What `init()` would do, shown before anything is built, reserved or started.

`make` gathers it, `model` is the result, `reach` says who can talk to whom, `text` and
`html` show it.
"""

from enoslib_nxc.preview.make import preview
from enoslib_nxc.preview.model import Preview

__all__ = ["Preview", "preview"]
