"""What `launchpad plugins check` runs, on launchpad's own plugins: whatever one of them offers, now or later, passes."""

from __future__ import annotations

import pytest

from launchpad.plugins import discovery
from launchpad.testing.checking import run

OF_THE_USER = ("configured", "usercatalog")  # what these offer a user wrote down: their own tests do


@pytest.mark.parametrize("found", discovery.builtins(), ids=lambda found: found.name)
def test_every_built_in_passes_the_kit(found: discovery.Found) -> None:
    results = list(run(found.load))
    assert [one for one in results if one.outcome == "failed"] == []
    tried = {one.subject.partition(" ")[0] for one in results if one.outcome == "ok"}
    hooks = set() if found.name in OF_THE_USER else discovery.BUILTINS[found.name]
    assert tried == {"plugin", *(hook.removeprefix("launchpad_").removesuffix("s") for hook in hooks)}
