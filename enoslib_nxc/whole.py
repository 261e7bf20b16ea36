"""Files that are there whole or as they were, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(file: Path, text: str) -> None:
    """Replace a file, which its owner alone can read from then on.

    Args:
        file: which; its directory is there.
        text: what it is to hold.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
