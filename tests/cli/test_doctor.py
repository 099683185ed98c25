"""`launchpad doctor` as a user runs it."""

from __future__ import annotations

import re


def test_a_line_for_each_check_and_what_to_do(launchpad):
    ran = launchpad("doctor", "--offline")
    assert ran.code == 0, ran.out
    lines = ran.out.splitlines()
    assert all(re.match(r"(ok  |note|warn|FAIL)  \S.*: \S|      do: \S", line) for line in lines)
    for name in (
        "gpu",
        "memory:",
        "disk:",
        "engine llamacpp:",
        "port ",
        "plugins:",
        "processes:",
        "cache of models:",
    ):
        assert any(name in line for line in lines), name


def test_sources_that_do_not_answer_are_warnings_with_a_way_out(launchpad):
    document = launchpad("doctor", "--json").document
    hub = next(check for check in document["checks"] if check["name"] == "source hf://")
    assert hub["state"] == "warn"
    assert "HF_ENDPOINT" in hub["fix"]


def test_a_report_tells_no_secret_and_no_name(launchpad, private_home):
    env = {"USER": "canaryuser", "HF_TOKEN": "hf_canarycanary", "HTTPS_PROXY": "http://u:canarypass@proxy:1"}
    for arguments in (("--report",), ("--report", "--json")):
        out = launchpad("doctor", "--offline", *arguments, env=env).out
        assert "canary" not in out
        assert str(private_home) not in out
    assert "| state | check | evidence | what to do |" in launchpad("doctor", "--offline", "--report").out


def test_what_fails_is_the_exit_code(launchpad, private_home):
    hub = private_home / "hub"
    hub.mkdir()
    hub.chmod(0o777)
    ran = launchpad("doctor", "--offline")
    assert ran.code == 1
    assert f"do: chmod o-w {hub}" in ran.out
