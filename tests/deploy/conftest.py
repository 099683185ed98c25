"""Plans for the tests of what is handed over."""

from __future__ import annotations

import pytest

from deploy_facts import SCENES, planned
from launchpad.plan import Plan


@pytest.fixture(scope="session")
def two_nodes_plan() -> Plan:
    """A plan that takes two nodes."""
    return planned(next(iter(SCENES)))
