"""Jobs of a Ray cluster. The dashboard is simulated, its jobs are real processes: see ray_facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.errors import EngineMissing, LaunchError, RefusedError
from launchpad.hardware.ray_dashboard import dashboard
from launchpad.hardware.ray_jobs import Job, Jobs
from launchpad.testing.processes import eventually
from ray_facts import Jobs as Simulated
from ray_facts import serving


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A client of a simulated dashboard."""
    with serving({}, jobs=Simulated(tmp_path)) as port:
        yield Jobs(dashboard(f"ray://127.0.0.1:{port}"))


def ended(jobs: Jobs, name: str) -> Job:
    eventually(lambda: (job := jobs.look(name)) is not None and job.ended)
    job = jobs.look(name)
    assert job is not None
    return job


def test_a_job_is_run_with_its_variables_and_its_log_can_be_read(jobs: Jobs) -> None:
    jobs.submit("one", "echo $GREETING; exit 3", environment={"GREETING": "hello"}, metadata={"model": "m"})
    assert (ended(jobs, "one").status, ended(jobs, "one").driver_exit_code) == ("FAILED", 3)
    assert jobs.log("one") == "hello\n"


def test_a_job_that_is_stopped_ends_and_can_be_forgotten(jobs: Jobs) -> None:
    jobs.submit("one", "sleep 60", environment={})
    jobs.stop("one")
    assert ended(jobs, "one").status == "STOPPED"
    jobs.forget("one")
    assert jobs.look("one") is None
    assert jobs.log("one") == ""
    jobs.stop("one")  # nothing to stop, no harm
    jobs.forget("one")


def test_a_running_job_is_not_forgotten_and_a_name_is_taken_once(jobs: Jobs) -> None:
    jobs.submit("one", "sleep 60", environment={})
    with pytest.raises(LaunchError, match="keeps a job") as kept:
        jobs.forget("one")
    assert "non-terminal" in str(kept.value.why)
    with pytest.raises(LaunchError, match="takes no job") as twice:
        jobs.submit("one", "true", environment={})
    assert "already exists" in str(twice.value.why)


@pytest.mark.parametrize("name", ["", "../nodes", "a/b", "a?b", "x" * 101])
def test_what_is_no_name_never_becomes_a_path(jobs: Jobs, name: str) -> None:
    with pytest.raises(RefusedError):
        jobs.look(name)


def test_a_cluster_with_tokens_refuses_and_a_silent_one_is_named(tmp_path: Path) -> None:
    with serving({}, token="secret", jobs=Simulated(tmp_path)) as port:
        at = dashboard(f"ray://127.0.0.1:{port}")
        with pytest.raises(RefusedError, match="refuses this caller"):
            Jobs(at).submit("one", "true", environment={})
    with pytest.raises(EngineMissing, match="No Ray cluster answers"):
        Jobs(at).look("one")


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/api/jobs/one", {"status": "ODD"}), ("/api/jobs/one", []), ("/api/jobs/one/logs", {"logs": 1})],
)
def test_what_no_dashboard_would_say_is_refused(path: str, answer: object) -> None:
    with serving({path: answer}) as port, pytest.raises(LaunchError, match="as a Ray dashboard does"):
        client = Jobs(dashboard(f"ray://127.0.0.1:{port}"))
        client.log("one") if path.endswith("logs") else client.look("one")
