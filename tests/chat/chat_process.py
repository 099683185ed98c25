"""A chat as a real process: `python chat_process.py repl|oneshot ENDPOINT [PROMPT]`, with launchpad's exit codes."""

from __future__ import annotations

import fcntl
import os
import sys
import termios

from launchpad.chat.oneshot import answer
from launchpad.chat.repl import Repl
from launchpad.chat.session import Session
from launchpad.chat.terminal import settle
from launchpad.engines.server import EngineReport, Server
from launchpad.errors import LaunchpadError
from launchpad.fit.result import Settings


def main(mode: str, endpoint: str, prompt: str = "hi") -> int:
    """Run one chat against the engine at that endpoint."""
    server = Server(
        id="simulated",
        backend="simulated",
        endpoint=endpoint,
        api_key="secret-key",
        pid=1,
        model="simulated-model",
        settings=Settings(context=4096),
        report=EngineReport(engine="simulated engine", context=4096, vision="SEES" in os.environ),
    )
    session = Session(server, session="chat")
    try:
        if mode == "repl":
            return Repl(
                session, out=sys.stdout, err=sys.stderr, alive=lambda: "ENGINE_DEAD" not in os.environ
            ).run()
        answer(session, prompt, stdout=sys.stdout, stderr=sys.stderr, tty=sys.stdout.isatty())
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        return 130
    except LaunchpadError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    if os.isatty(0) and os.getsid(0) == os.getpid():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C and a closed terminal reach us
    try:
        sys.exit(main(*sys.argv[1:]))
    finally:
        settle(sys.stdout, sys.stderr)
