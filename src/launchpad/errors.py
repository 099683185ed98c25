"""Every error that launchpad raises, and the exit code each one ends with.

    LaunchpadError
    ├── UsageError            2   a bad argument, reference or file from the user
    │   └── ConfigError       2   a configuration file or variable that cannot be used
    ├── ChoiceError           3   nothing to run
    │   ├── NoModelFits       3
    │   └── UnknownModel      3
    ├── PullError             4   the bytes could not be obtained or are not the right bytes
    │   ├── SourceUnreachable 4
    │   ├── VerifyError       4
    │   ├── DiskFull          4
    │   └── BadModelFile      4
    ├── EngineError           5   an engine could not be started or died
    │   ├── EngineMissing     5
    │   └── LaunchError       5
    │       └── EngineCrashed 5   it died while it was loading
    ├── AnswerError           6   the engine runs but its answer failed or was cut
    ├── RefusedError          7   refused for safety or by policy
    ├── BusyError             8   something else holds what is needed
    └── BugError             70   launchpad itself made a mistake

`what` says what happened, `why` the cause, `hint` the next thing to type. Each is one line.
Exit code 1 is not an error: it means that a check or expectation failed.
"""

from __future__ import annotations

from typing import ClassVar


class SignalExit(SystemExit):
    """A signal asked the program to end; its number is told by the exit code. No error: it passes every `except` of ours."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class LaunchpadError(Exception):
    """Base of every error that launchpad raises on purpose.

    `retryable` is True when the same command may work later without a change.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 5

    def __init__(
        self, what: str, *, why: str | None = None, hint: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.hint) if part)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only fields would be lost by the default; errors cross process borders in tests and plugins.
        return (_rebuild, (type(self), self.what, self.why, self.hint, self.retryable))


def _rebuild(
    cls: type[LaunchpadError], what: str, why: str | None, hint: str | None, retryable: bool
) -> LaunchpadError:
    return cls(what, why=why, hint=hint, retryable=retryable)


class UsageError(LaunchpadError):
    """A bad argument, reference or file given by the user."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or variable that cannot be used."""

    code = "config"


class ChoiceError(LaunchpadError):
    """There is nothing that can be run."""

    code = "no-choice"
    exit_code = 3


class NoModelFits(ChoiceError):
    """No model satisfies both the machine and the wish."""

    code = "no-model-fits"


class UnknownModel(ChoiceError):
    """The reference names no model that any catalog or source knows."""

    code = "unknown-model"


class PullError(LaunchpadError):
    """The bytes could not be obtained, or are not the right bytes."""

    code = "pull"
    exit_code = 4


class SourceUnreachable(PullError):
    """The place that holds the bytes does not answer."""

    code = "source-unreachable"


class VerifyError(PullError):
    """The bytes differ from the size or sha256 that was promised."""

    code = "verify"


class DiskFull(PullError):
    """There is not enough room where the bytes go."""

    code = "disk-full"


class BadModelFile(PullError):
    """A model file whose header is malformed, hostile or unsupported."""

    code = "bad-model-file"


class EngineError(LaunchpadError):
    """An engine could not be started, or died."""

    code = "engine"


class EngineMissing(EngineError):
    """No usable engine is installed."""

    code = "engine-missing"


class LaunchError(EngineError):
    """An engine was started and did not become ready."""

    code = "launch"


class ClusterChanged(LaunchError):
    """A cluster has not any more what the plan was made for. A new plan may do."""


class EngineCrashed(LaunchError):
    """An engine died while it was loading. `memory` is True when a lack of memory may be the reason."""

    memory: bool = False


class AnswerError(LaunchpadError):
    """The engine runs, but its answer failed or was cut."""

    code = "answer"
    exit_code = 6


class RefusedError(LaunchpadError):
    """Refused for safety or by policy."""

    code = "refused"
    exit_code = 7


class BusyError(LaunchpadError):
    """Something else holds what is needed."""

    code = "busy"
    exit_code = 8


class BugError(LaunchpadError):
    """launchpad itself made a mistake."""

    code = "bug"
    exit_code = 70  # EX_SOFTWARE of sysexits.h
