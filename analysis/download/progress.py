"""One line of progress for a transfer that takes over a second, where somebody is looking."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from analysis.download.partial import Partial

__all__ = ["Bar", "counted"]


class Bar:
    """A progress bar that follows a partial file; silent in scripts without a terminal."""

    def __init__(self, url: str, partial: Partial):
        self._name = PurePosixPath(urlsplit(url).path).name or urlsplit(url).hostname or ""
        self._partial = partial
        self._due = time.monotonic() + 1.0 if _watched() else None
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def advance(self) -> None:
        """Show how far the file has come."""
        if self._due is None or time.monotonic() < self._due:
            return
        if self._bar is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a notebook without widgets gets the line of text, unscolded
                from tqdm.auto import tqdm

                self._bar = tqdm(desc=self._name, unit="B", unit_scale=True, unit_divisor=1024, mininterval=0.2)
        self._bar.total = self._partial.total
        self._bar.update(self._partial.position - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def counted(total: int, what: str) -> Any:
    """Return a tqdm bar that counts to `total`, shown after a second, where somebody is looking."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

        return tqdm(total=total, desc=what, unit="part", delay=1.0, mininterval=0.2, disable=not _watched())


def _watched() -> bool:
    """Return whether there is a terminal or a notebook to draw in."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" or (sys.stderr is not None and sys.stderr.isatty())
