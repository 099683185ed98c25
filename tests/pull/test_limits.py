"""D10, C5: a real small disk, and few file descriptors. Each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import capabilities
from launchpad.paths import hub_cache
from launchpad.plugins.spec import Resolved
from launchpad.testing.hub import SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
NOBODY_ELSE = (
    5_000_000 + os.getpid()
)  # a user id without any process: these tests may run in several processes at once
Resolve = Callable[..., Resolved]
CHILD = """
import sys, msgspec
from launchpad.errors import LaunchpadError
from launchpad.events import ignore
from launchpad.plugins.spec import Resolved
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
{before}
options = PullOptions(piece_size=16 << 10, connections=8, retries=1)
try:
    pull(msgspec.json.decode(sys.argv[1], type=Resolved), ignore, options=options)
except LaunchpadError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def run(resolved: Resolved, before: str = "", *prefix: str) -> subprocess.CompletedProcess[str]:
    given = msgspec.json.encode(resolved).decode()
    command = [*prefix, sys.executable, "-c", CHILD.format(before=before), given]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="only root may mount; test_disk.py has a limit on the size of files instead",
)
def test_d10_a_disk_of_5_mb(hub: SimulatedHub, resolved: Resolve) -> None:
    hub_cache().mkdir()
    url = hub.add("/large.gguf", bytes(8_000_000))
    script = 'mount -t tmpfs -o size=5m,mode=0755 tmpfs "$HF_HUB_CACHE" && exec "$@"'
    done = run(resolved(urls=(url,), size=8_000_000), "", "unshare", "-m", "sh", "-c", script, "sh")
    assert done.returncode == 4 and "bytes are missing" in done.stderr, done.stderr
    assert not hub.gets("/large.gguf"), "it was known before"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="only root may mount",
)
def test_d11_a_cache_on_another_device(
    hub: SimulatedHub, resolved: Resolve, content: bytes, tmp_path: Path
) -> None:
    """A real tmpfs below the cache's name: launchpad's own data lies on another file system, no rename may cross over."""
    hub_cache().mkdir()
    script = (
        'mount -t tmpfs -o size=50m,mode=0755 tmpfs "$HF_HUB_CACHE" && "$@" && cp "$HF_HUB_CACHE"/*/blobs/* "$COPY" '
        '&& stat -c %d "$HF_HUB_CACHE" "$(dirname "$COPY")"'
    )
    copy = tmp_path / "copy"
    done = run(resolved(), "", "env", f"COPY={copy}", "unshare", "-m", "sh", "-c", script, "sh")
    assert done.returncode == 0, done.stderr
    cache, rest = done.stdout.split()
    assert cache != rest, "two devices"
    assert copy.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_c5_few_file_descriptors(hub: SimulatedHub, resolved: Resolve, content: bytes) -> None:
    """With 32 it gets there."""
    limit = "import resource, httpx2; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}))"
    done = run(resolved(), limit.format(32))
    assert done.returncode == 0, done.stderr
    (blob,) = hub_cache().glob("*/blobs/*")
    assert blob.read_bytes() == content


def test_c5_too_few_file_descriptors(hub: SimulatedHub, resolved: Resolve, tmp_path: Path) -> None:
    done = run(resolved(), "import resource, httpx2; resource.setrlimit(resource.RLIMIT_NOFILE, (7, 7))")
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for what is in use")
@pytest.mark.parametrize("more", [0, 1, 3, 6, 12, 40], ids="{} MiB more".format)
def test_c5_little_address_space(hub: SimulatedHub, resolved: Resolve, content: bytes, more: int) -> None:
    """Threads and buffers may be refused: the pull gets there with fewer, or says what it lacks."""
    limit = (
        "import resource, filelock, launchpad.pull.wire; from launchpad.pull.http import client; "
        "from launchpad.pull.options import PullOptions; client(PullOptions()).close(); "
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize(); "
        f"resource.setrlimit(resource.RLIMIT_AS, (used + ({more} << 20),) * 2)"
    )
    done = run(resolved(), limit)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr
    blobs = list(hub_cache().glob("*/blobs/*"))
    assert [blob.read_bytes() for blob in blobs] == ([content] if done.returncode == 0 else [])


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs a user with no other process")
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_c5_few_threads(hub: SimulatedHub, resolved: Resolve, content: bytes, limit: int) -> None:
    """The system counts threads as processes: the main one, the hash's, and one for each connection."""
    before = (
        f"import os, resource, runpy, httpx2; os.setresuid({NOBODY_ELSE}, 0, 0); "
        f"runpy.run_path({capabilities.__file__!r})['drop'](*{capabilities.MORE_THAN_THE_LIMIT}); "
        f"resource.setrlimit(resource.RLIMIT_NPROC, ({limit}, {limit}))"
    )
    done = run(resolved(), before)
    assert "Traceback" not in done.stderr
    blobs = [blob.read_bytes() for blob in hub_cache().glob("*/blobs/*")]
    if limit < 3:
        assert done.returncode == 4 and "cannot start a thread" in done.stderr and not blobs
    else:
        assert done.returncode == 0 and blobs == [content], done.stderr
