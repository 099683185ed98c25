"""What an engine holds in main memory, its own processes included."""

from __future__ import annotations

import subprocess
import sys

from launchpad.engines.resident import private_bytes, resident_bytes

MIB = 1 << 20
HOLDS = "import sys; held = bytearray(b'x') * (64 << 20); print(flush=True); sys.stdin.read()"
STARTS_ONE_THAT_HOLDS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}])"


def test_what_a_process_below_it_holds_counts() -> None:
    """Ollama's weights are in the memory of the engine that its server starts, not in the server's own."""
    command = [sys.executable, "-c", STARTS_ONE_THAT_HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        resident, private = resident_bytes(server.pid), private_bytes(server.pid)
    assert resident is not None
    assert 64 * MIB < private < resident < 200 * MIB
    assert resident_bytes(server.pid) is None
    assert private_bytes(server.pid) == 0
