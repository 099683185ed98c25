"""The passing line of a terminal while an engine loads its model: what, for how long, and the engine's own words."""

from __future__ import annotations

import os
import sys
import threading
import time

from launchpad.sanitize import clean

DELAY = 1.0  # seconds until it shows: most small models are there before
EVERY = 0.25
_ERASE = "\r\x1b[K"


class LoadingLine:
    """Shown until it is closed, by a thread, for the engine may be silent for minutes. Needs a terminal behind stderr."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._says = ""
        self._begin = time.monotonic()
        self._quiet_until = self._begin + DELAY
        self._shown = False
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="loading-line", daemon=True)
        self._thread.start()

    def says(self, text: str, fraction: float | None) -> None:
        """What the engine reported last."""
        self._says = " · ".join(part for part in (f"{fraction:.0%}" if fraction else "", text) if part)

    def make_way(self) -> None:
        """Somebody else is about to write a line."""
        with self._lock:
            self._erase()
            self._quiet_until = max(self._quiet_until, time.monotonic() + 2 * EVERY)

    def close(self) -> None:
        """Take it away."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            with self._lock:
                if time.monotonic() >= self._quiet_until and not self._ended.is_set():
                    self._draw()

    def _draw(self) -> None:
        passed = f"{time.monotonic() - self._begin:.0f} s"
        text = clean(" · ".join(part for part in (f"loading {self._what}", passed, self._says) if part))
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write(f"{_ERASE}{text[: columns - 1]}")
            sys.stderr.flush()
        except (OSError, ValueError):  # the terminal is gone
            self._ended.set()
        self._shown = True

    def _erase(self) -> None:
        if self._shown:
            self._shown = False
            try:
                sys.stderr.write(_ERASE)
                sys.stderr.flush()
            except (OSError, ValueError):
                pass
