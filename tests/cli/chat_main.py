"""`launchpad` as the leader of its terminal, so that Ctrl-C and a closed window reach it."""

from __future__ import annotations

import fcntl
import os
import termios

from launchpad.cli import main

if os.isatty(0) and os.getsid(0) == os.getpid():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
main()
