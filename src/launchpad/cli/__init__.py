"""The command line: click only. A lazy command table, one file per command, one sink for all output."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from launchpad.cli.streams import prepare_streams, terminal_gone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE, as a C program would end
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_HANGUP = 129  # 128 + SIGHUP, which may come a moment after the first write has failed


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of docs/reference/exit-codes.md."""
    try:
        _main(arguments)
    except SystemExit as end:
        if end.code == EXIT_HANGUP:
            _forget_terminal()
        raise


def _main(arguments: Sequence[str] | None) -> NoReturn:
    prepare_streams()
    # Registered first, so it runs last: the interpreter, taken down, would die of a late Ctrl-C instead of its exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    # A start makes many objects that live to the end: looking for garbage among them is half of a large catalog's time.
    gc.set_threshold(500_000, 20, 20)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup means what it says
            signal.signal(number, _exit_on_signal)
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        signal.signal(signal.SIGINT, _end_at_once)
    except KeyboardInterrupt:  # once more, on the way out
        signal.signal(signal.SIGINT, _end_at_once)
        code = EXIT_INTERRUPTED
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _quiet_pipe()
    except (OSError, ValueError):
        _quiet_pipe()
        code = code or 6
    sys.exit(code)


def _forget_terminal() -> None:
    """What is buffered for a closed terminal would fail again when Python ends, which makes the exit code 120."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it may come after the first write that failed
    from launchpad.chat.terminal import settle

    settle(sys.stdout, sys.stderr)


def _run(arguments: list[str]) -> int:
    import click

    from launchpad.cli.app import App
    from launchpad.cli.root import cli
    from launchpad.errors import LaunchpadError

    app = App()
    try:
        if "_LAUNCHPAD_COMPLETE" in os.environ:
            cli.main(arguments, prog_name="launchpad")
        # Not cli.main(): it turns a closed pipe into exit code 1, which means a failed check here.
        with cli.make_context("launchpad", arguments, obj=app) as context:
            result = cli.invoke(context)
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except LaunchpadError as error:
        if app.debug:
            raise
        if terminal_gone(error):
            return EXIT_HANGUP
        app.output.error(error)
        return error.exit_code
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        app.output.usage_error(error, wants_json="--json" in arguments)
        return 2
    except (KeyboardInterrupt, click.Abort) as stop:
        # At a question the cursor stands behind "^C".
        app.output.stopped(within_a_line=isinstance(stop.__context__, (KeyboardInterrupt, EOFError)))
        # Engines are gone. One that comes while the frames of the command go would be told as an accident of their objects.
        signal.signal(signal.SIGINT, _end_at_once)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except Exception as error:
        if app.debug:
            raise
        if isinstance(error, OSError) and terminal_gone(error):
            return EXIT_HANGUP
        return app.output.unexpected(error)
    finally:
        app.close()


def _quiet_pipe() -> int:
    """The reader of our output has gone: end without a word, and keep the interpreter from flushing into the void."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    return EXIT_BROKEN_PIPE


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    """Leave through the normal way out, so that engines are stopped and partial files kept."""
    from launchpad.errors import SignalExit

    raise SignalExit(number)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    """Ctrl-C when all is said: nothing is waited for. Each engine's guard sees that its launcher is gone."""
    os._exit(EXIT_INTERRUPTED)
