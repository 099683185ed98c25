"""Jobs of a live Ray cluster, over the dashboard's REST interface: submit, look, read the log, stop, forget.

A job is a command line that runs on the head; Ray ends what it started when it ends. Nothing of Ray is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from launchpad.errors import LaunchError, RefusedError
from launchpad.hardware.ray_dashboard import Dashboard
from launchpad.sanitize import clean

SETTLES = (
    2.5  # s after a job's end; Ray looks once more within a second, and writes anew what was forgotten before
)
_ID = re.compile(r"[\w.-]{1,100}")


class Job(Struct, frozen=True, kw_only=True):
    """Where a job is in its life. `job_id` is Ray's own name of its driver, once that has joined the cluster."""

    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
    message: str | None = None
    job_id: str | None = None
    driver_exit_code: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in ("PENDING", "RUNNING")


class _Log(Struct):
    logs: str


class Jobs:
    """The jobs behind one dashboard. Every method raises `LaunchpadError` when the dashboard does not answer as one."""

    def __init__(self, at: Dashboard) -> None:
        self.at = at

    def submit(
        self,
        name: str,
        entrypoint: str,
        *,
        environment: Mapping[str, str],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Start `entrypoint` (words for a shell) on the head as the job `name`. Whoever reads the dashboard sees all of it."""
        status, answer = self.at.ask(
            "POST",
            "/api/jobs/",
            {
                "submission_id": _checked(name),
                "entrypoint": entrypoint,
                "runtime_env": {"env_vars": dict(environment)},
                "metadata": dict(metadata or {}),
            },
        )
        if status != 200:
            raise LaunchError(
                f"The Ray cluster at {self.at.url} takes no job.",
                why=_last_line(answer) or f"It answers {status}.",
                hint="`ray job submit -- true` on the head shows whether it takes any.",
            )

    def look(self, name: str) -> Job | None:
        """The job now; None when the cluster knows none of that name."""
        path = self._path(name)
        status, answer = self.at.ask("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise self.at.wrong(f"{path} is answered with {status}")
        try:
            return msgspec.convert(answer, Job)
        except msgspec.ValidationError as error:
            raise self.at.wrong(f"{path} has another shape ({error})") from error

    def log(self, name: str) -> str:
        """All that the job has written so far; "" before its first line."""
        path = self._path(name) + "/logs"
        status, answer = self.at.ask("GET", path)
        if status == 404:
            return ""
        if status != 200:
            raise self.at.wrong(f"{path} is answered with {status}")
        try:
            return msgspec.convert(answer, _Log).logs
        except msgspec.ValidationError as error:
            raise self.at.wrong(f"{path} has another shape ({error})") from error

    def stop(self, name: str) -> None:
        """Ask the job to end: TERM to all its processes on the head, KILL three seconds later. No harm if it has."""
        self._meant(*self.at.ask("POST", self._path(name) + "/stop"))

    def forget(self, name: str) -> None:
        """Take an ended job off the cluster's list, `SETTLES` seconds after its end. No harm if it is not there."""
        self._meant(*self.at.ask("DELETE", self._path(name)))

    def _path(self, name: str) -> str:
        return f"/api/jobs/{quote(_checked(name))}"

    def _meant(self, status: int, answer: Any) -> None:
        if status not in (200, 404):
            why = _last_line(answer) or f"It answers {status}."
            raise LaunchError(f"The Ray cluster at {self.at.url} keeps a job.", why=why, retryable=True)


def _checked(name: str) -> str:
    if _ID.fullmatch(name) is None:
        raise RefusedError(f"'{clean(name)[:100]}' is no name of a job.")
    return name


def _last_line(answer: object) -> str:
    """What an error page ends with: the exception, mostly."""
    lines = [line for line in str(answer).splitlines() if line.strip()]
    return clean(lines[-1].strip())[:200] if lines else ""
