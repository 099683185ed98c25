from __future__ import annotations

import pytest

from launchpad.plugins.llamacpp.environment import waiting


def test_threads_spin_for_a_moment_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    assert waiting() == {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert waiting()["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert waiting() == {"OMP_WAIT_POLICY": "active"}
