"""Launching a model in a server that runs, against recorded answers of a real one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from launchpad.errors import BusyError, EngineCrashed, LaunchError, PullError
from launchpad.events import Event, Notice
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.plan import StartStep
from launchpad.plugins.ollama import launch as module
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.launch import KEEP_ALIVE, launch
from launchpad.plugins.ollama.names import mark_of
from launchpad.plugins.ollama.running import OllamaServer
from launchpad.plugins.ollama.store import _my_mark
from launchpad.testing.replay import Replay
from ollama_traffic import exchanges, only, recording, says

WEIGHTS = "941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5"
VERSION = says("/api/version", {"version": "0.33.0-rc2"}, method="GET")
TAGS = recording("tags")["exchanges"]
SHOW = only("show", 0)
LOAD = list(exchanges("keep-alive", "/api/generate"))[:1]
CREATED = says("/api/create", [{"status": "success"}])
DELETED = exchanges("delete-loaded", "/api/delete")[:1]


def ps(*models: Mapping[str, Any]) -> Mapping[str, Any]:
    return says("/api/ps", {"models": list(models)}, method="GET")


def model(name: str, context: int, **more: Any) -> dict[str, Any]:
    recorded: dict[str, Any] = exchanges("ps", "/api/ps")[0]["response"]["json"]["models"][0]
    return {**recorded, "name": name, "model": name, "context_length": context, **more}


def start(build: str = "ollama://smol:latest", *, context: int = 4096, path: str | None = None) -> StartStep:
    settings = Settings(context=context)
    fit = Fit(
        model_id="smol", build=build, backend="ollama", settings=settings,
        placement=Placement(kind="cpu"), devices=(), verdict="fits",
    )  # fmt: skip
    return StartStep(
        backend="ollama", model_id="smol", model_name="Smol", build=build, model_path=path, settings=settings,
        arguments={"num_ctx": context}, fit=fit,
    )  # fmt: skip


def begin(replay: Replay, step: StartStep, events: list[Event] | None = None) -> OllamaServer:
    told = [] if events is None else events
    return launch(step, told.append, Address(port=replay.port))


def usual(*ps_answers: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [VERSION, *TAGS, *SHOW, CREATED, *LOAD, *DELETED, *ps_answers]


def test_rule_4_the_context_reaches_v1_through_a_model_that_goes_again() -> None:
    with Replay(usual(ps(), ps(model("x", 4096)))) as replay:
        running = begin(replay, start())
        (created,) = replay.asked("/api/create")
        facts = running.server
        running.stop()
        running.stop()
        assert replay.unknown == []
        assert [request.json for request in replay.requests if request.method == "DELETE"] == [
            {"model": facts.model}
        ]
        assert created["from"] == "smol:latest"
        assert created["parameters"] == {"num_ctx": 4096}
        assert created["model"] == facts.model == f"launchpad/smol-latest:ctx4096-{_my_mark()}"
        load, unload = replay.asked("/api/generate")
        assert (load["options"]["num_ctx"], load["keep_alive"]) == (4096, KEEP_ALIVE)
        assert (unload["model"], unload["keep_alive"]) == (facts.model, 0)
    assert (facts.dialect, facts.endpoint, facts.pid) == ("ollama", f"{replay.endpoint}/v1", 0)
    assert facts.report.context == 4096
    assert not running.alive()


def test_rule_10_what_is_asked_of_keep_alive_is_what_the_server_takes() -> None:
    """Recorded: "-1" as text is refused, a length of time is taken, 0 unloads."""
    traffic = exchanges("keep-alive", "/api/generate")
    answers = {repr(e["request"]["json"]["keep_alive"]): e["response"]["status"] for e in traffic[:6]}
    assert answers["'-1'"] == 400
    assert (answers["'10s'"], answers["0"]) == (200, 200)
    with Replay(usual(ps(), ps(model("x", 4096)))) as replay:
        begin(replay, start()).stop()
        load, unload = (asked["keep_alive"] for asked in replay.asked("/api/generate"))
    assert isinstance(load, str)
    assert load[:-1].isdigit()
    assert load[-1] in "smh"
    assert unload == 0
    assert not isinstance(unload, str)


def test_a_model_whose_own_context_is_the_plans_needs_no_other_name() -> None:
    """`smol` was made with num_ctx 2048."""
    with Replay(usual(ps(), ps(model("smol:latest", 2048)))) as replay:
        running = begin(replay, start(context=2048))
        assert running.server.model == "smol:latest"
        assert running.alive()
        running.stop()
        assert replay.asked("/api/create") == []
        assert not [request for request in replay.requests if request.method == "DELETE"]


@pytest.mark.parametrize("name", ["synthetic-load-oom", "load-oom-cpu"])
def test_what_a_failed_load_made_goes_again(name: str) -> None:
    oom = recording(name)["exchanges"][0]["response"]
    load = {"request": {"method": "POST", "path": "/api/generate"}, "response": oom}
    with (
        Replay([VERSION, *TAGS, *SHOW, CREATED, load, *DELETED, ps()]) as replay,
        pytest.raises(EngineCrashed, match="not enough memory") as caught,
    ):
        begin(replay, start())
    assert caught.value.memory  # tried once more with less context
    assert caught.value.what == "There is not enough memory to load Smol."
    assert [request.method for request in replay.requests][-1] == "DELETE"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("arch-unsupported", "cannot read the architecture"),
        ("synthetic-load-timeout", "did not load in the time"),
        ("blob-truncated", "damaged"),
        ("blob-bad-magic", "damaged"),
        ("blob-gone", "has no model"),
    ],
)
def test_rule_20_each_error_of_a_load(name: str, what: str) -> None:
    bad = next(x for x in recording(name)["exchanges"] if x["response"]["status"] >= 400)
    load = {"request": {"method": "POST", "path": "/api/generate"}, "response": bad["response"]}
    with (
        Replay([VERSION, *TAGS, *SHOW, CREATED, load, *DELETED, ps()]) as replay,
        pytest.raises(LaunchError, match=what) as caught,
    ):
        begin(replay, start())
    assert caught.value.why
    assert caught.value.hint


def test_rule_13_a_server_that_is_busy_while_it_should_load() -> None:
    busy = next(x for x in exchanges("busy", "/api/embed") if x["response"]["status"] == 503)
    load = {"request": {"method": "POST", "path": "/api/generate"}, "response": busy["response"]}
    with (
        Replay([VERSION, *TAGS, *SHOW, CREATED, load, *DELETED, ps()]) as replay,
        pytest.raises(BusyError) as caught,
    ):
        begin(replay, start())
    assert caught.value.exit_code == 8


def shown(name: str, recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the recorded server says of one model, for a name."""
    request = {"method": "POST", "path": "/api/show", "json": {"model": name}}
    return {"request": request, "response": recorded["response"]}


def test_rule_9_the_list_shows_the_first_of_several_names() -> None:
    """An alias that others have loaded with the same context is the same engine: it is found, and left alone."""
    before, after = exchanges("ps-many", "/api/ps")[1:3]
    assert [m["model"] for m in after["response"]["json"]["models"]] == ["smol:latest", "smol-embed:latest"]
    alias = says("/api/tags", {"models": [{"model": "smol-alias:latest", "size": 1}]}, method="GET")
    shows = [
        shown("smol-alias:latest", SHOW[0]),
        *2 * (shown("smol:latest", SHOW[0]), shown("smol-embed:latest", exchanges("embed-capabilities")[1])),
    ]
    loads = [VERSION, alias, *shows, CREATED, *LOAD, *DELETED, before, after]
    with Replay(loads) as replay:
        running = begin(replay, start("ollama://smol-alias:latest", context=1024))
        assert running.server.report.context == 1024
        running.stop()
        assert [body.get("keep_alive") for body in replay.asked("/api/generate")] == [KEEP_ALIVE]


def contexts(name: str) -> list[int]:
    """The context of what was used last, each time that the server was asked for what is loaded."""
    return [x["response"]["json"]["models"][0]["context_length"] for x in exchanges(name, "/api/ps")]


def test_rule_4_only_a_models_own_context_lasts_and_that_is_what_other_programs_get() -> None:
    """Recorded: what a request asked for is gone at the next one without it; what /v1 asks for has no effect; what
    the model file says beats the environment."""
    assert contexts("num-ctx-sticks") == [4096, 1024, 4096, 4096, 8192, 4096]
    assert contexts("v1-num-ctx") == [2048, 2048, 1024]
    assert contexts("num-ctx-env") == [1500, 2048, 700]
    with Replay(usual(ps(), ps(model("x", 700)))) as replay:
        running = begin(replay, start(context=700))
        running.stop()
        (created,) = replay.asked("/api/create")
    assert (created["model"], created["parameters"]) == (running.server.model, {"num_ctx": 700})


def test_rule_4_another_context_of_the_same_weights_makes_room_and_that_is_said() -> None:
    events: list[Event] = []
    with Replay(usual(ps(model("smol:latest", 1024)), ps(model("smol:latest", 4096)))) as replay:
        begin(replay, start(), events).stop()
    (notice,) = [event.message for event in events if isinstance(event, Notice)]
    assert "smol:latest has the same weights" in notice


def test_rule_11_a_list_that_lags_is_asked_again() -> None:
    lag = exchanges("ps-while-loading", "/api/ps")[:3]
    with Replay(usual(ps(), *lag, ps(model("smol:latest", 2048)))) as replay:
        running = begin(replay, start(context=2048))
        assert running.server.report.context == 2048
        running.stop()


def test_rule_11_a_model_that_never_shows_up_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAG", 0.1)
    with Replay(usual(ps())) as replay:
        running = begin(replay, start(context=2048))
        report = running.server.report
        running.stop()
    assert (report.context, report.gpu_share, report.gpu_layers) == (None, None, None)


def test_rule_15_a_model_for_embeddings_is_refused_whatever_the_list_says() -> None:
    with (
        Replay([VERSION, *exchanges("embed-capabilities"), ps()]) as replay,
        pytest.raises(LaunchError, match="embeddings"),
    ):
        begin(replay, start("ollama://smol-embed:latest"))


def test_a_model_that_is_not_there() -> None:
    with (
        Replay([VERSION, *TAGS, ps()]) as replay,
        pytest.raises(LaunchError, match="does not have") as caught,
    ):
        begin(replay, start("ollama://nosuch:1b"))
    assert "launchpad pull ollama://nosuch:1b --backend ollama" in (caught.value.hint or "")


def test_an_old_server_is_refused() -> None:
    with (
        Replay([says("/api/version", {"version": "0.12.5"}, method="GET")]) as replay,
        pytest.raises(LaunchError, match="too old"),
    ):
        begin(replay, start())


def test_what_a_dead_launch_left_is_swept() -> None:
    host = _my_mark().partition("-")[0]
    left = [
        {"model": f"launchpad/x:ctx1-{host}-{os.getpid()}-1", "size": 1},  # this pid, at another time
        {"model": f"launchpad/x:ctx1-{host}-999999999-1", "size": 1},
        {"model": f"launchpad/x:ctx1-{_my_mark()}", "size": 1},  # this process
        {"model": "launchpad/x:ctx1-00000000-1-1", "size": 1},  # another machine
        {"model": "launchpad/x:q4-0123456789ab", "size": 1},  # an import
        {"model": "smol:latest", "size": 1},
    ]
    tags = says("/api/tags", {"models": left}, method="GET")
    with Replay(
        [VERSION, tags, *SHOW, CREATED, *LOAD, *DELETED, ps(), ps(model("smol:latest", 2048))]
    ) as replay:
        begin(replay, start(context=2048)).stop()
        gone = [request.json["model"] for request in replay.requests if request.method == "DELETE"]
    assert gone == [entry["model"] for entry in left[:2]]
    assert mark_of("launchpad/x:q4-0123456789ab") is None


# -- files that launchpad has -------------------------------------------------------------------------------------


@pytest.fixture
def gguf(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF and so on")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def importing(digest: str, *blobs: Mapping[str, Any], created: Any = None) -> list[Mapping[str, Any]]:
    made = created or CREATED
    return [VERSION, *TAGS, *SHOW, made, *LOAD, *DELETED, ps(), ps(model("x", 2048)), *blobs]


def blob(digest: str, method: str, status: int) -> Mapping[str, Any]:
    """What the recorded server said of a blob in that way, for a digest of ours."""
    said = [*exchanges("blob-upload"), *exchanges("blob-missing")]
    answer = next(x for x in said if (x["request"]["method"], x["response"]["status"]) == (method, status))
    return {
        "request": {"method": method, "path": f"/api/blobs/sha256:{digest}"},
        "response": deepcopy(answer["response"]),
    }


def test_a_file_is_asked_for_then_uploaded_and_made_a_model(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    traffic = importing(digest, blob(digest, "HEAD", 404), blob(digest, "POST", 201))
    events: list[Event] = []
    with Replay(traffic) as replay:
        running = begin(replay, start("hf://org/r:Q4_1", context=2048, path=str(path)), events)
        running.stop()
        uploads = [r for r in replay.requests if r.path.startswith("/api/blobs/")]
        assert [r.method for r in uploads] == ["HEAD", "POST"]
        assert uploads[1].body == path.read_bytes()
        created = replay.asked("/api/create")[0]
        assert created["files"] == {"a.gguf": f"sha256:{digest}"}
        assert created["model"] == f"launchpad/smol:q4_1-{digest[:12]}"
    assert any(isinstance(e, Notice) and "Imported into Ollama" in e.message for e in events)


def test_rule_7_a_blob_that_is_there_is_not_sent_again(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    with Replay(importing(digest, blob(digest, "HEAD", 200))) as replay:
        begin(replay, start("file:///a.gguf", context=2048, path=str(path))).stop()
        assert [r.method for r in replay.requests if r.path.startswith("/api/blobs/")] == ["HEAD"]


def test_rule_7_a_connection_that_breaks_because_it_is_there(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    reset = blob(digest, "POST", 200)
    reset["response"].update(end="server_closed", framing="chunked")
    traffic = importing(digest, blob(digest, "HEAD", 404), blob(digest, "HEAD", 200), reset)
    with Replay(traffic) as replay:
        begin(replay, start("file:///a.gguf", context=2048, path=str(path))).stop()
        assert [r.method for r in replay.requests if r.path.startswith("/api/blobs/")] == [
            "HEAD",
            "POST",
            "HEAD",
        ]


def test_a_damaged_upload_is_refused_by_the_server(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    answer = says(
        f"/api/blobs/sha256:{digest}",
        {"error": 'digest mismatch, expected "sha256:0", got "sha256:1"'},
        status=400,
    )
    with (
        Replay(importing(digest, blob(digest, "HEAD", 404), answer)) as replay,
        pytest.raises(PullError, match="damaged"),
    ):
        begin(replay, start("file:///a.gguf", context=2048, path=str(path)))


def test_a_disk_that_has_no_room_for_the_import(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    full = deepcopy(recording("disk-full")["exchanges"][0])
    full["request"]["path"] = f"/api/blobs/sha256:{digest}"
    with (
        Replay(importing(digest, blob(digest, "HEAD", 404), full)) as replay,
        pytest.raises(PullError, match="disk of the Ollama server is full"),
    ):
        begin(replay, start("file:///a.gguf", context=2048, path=str(path)))


def test_an_import_that_is_there_is_used(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    tags = says(
        "/api/tags", {"models": [{"model": f"launchpad/smol:gguf-{digest[:12]}", "size": 1}]}, method="GET"
    )
    with Replay([VERSION, tags, *SHOW, *LOAD, ps(), ps(model("x", 2048))]) as replay:
        running = begin(replay, start("file:///a.gguf", context=2048, path=str(path)))
        running.stop()
        assert replay.unknown == []


@pytest.mark.parametrize(
    ("index", "what"),
    [(1, "cannot read the architecture"), (3, "damaged"), (5, "damaged")],
    ids=["architecture", "cut", "no GGUF"],
)
def test_rule_6_what_create_says_of_a_file(gguf: tuple[Path, str], index: int, what: str) -> None:
    path, digest = gguf
    created = recording("create-arch-unsupported")["exchanges"][index]
    with (
        Replay(importing(digest, blob(digest, "HEAD", 200), created=created)) as replay,
        pytest.raises(PullError, match=what),
    ):
        begin(replay, start("file:///a.gguf", context=2048, path=str(path)))


def test_rule_6_the_copy_has_a_digest_of_its_own_and_is_found_by_the_files(gguf: tuple[Path, str]) -> None:
    path, digest = gguf
    recorded = recording("create-stream")["exchanges"][0]
    (sent,) = recorded["request"]["json"]["files"].values()
    assert WEIGHTS not in sent  # what Ollama stores is not the file that was sent
    with Replay(importing(digest, blob(digest, "HEAD", 200), created=recorded)) as replay:
        running = begin(replay, start("file:///a.gguf", context=2048, path=str(path)))
        running.stop()
        (created,) = replay.asked("/api/create")
    assert created["model"].endswith(digest[:12])


def test_the_vision_projector_comes_along(gguf: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = gguf
    projector = tmp_path / "mmproj-a.gguf"
    projector.write_bytes(b"GGUF that sees")
    seen = hashlib.sha256(projector.read_bytes()).hexdigest()
    step = replace(start("hf://org/r:Q4_1", context=2048, path=str(path)), projector_path=str(projector))
    with Replay(importing(digest, blob(digest, "HEAD", 200), blob(seen, "HEAD", 200))) as replay:
        begin(replay, step).stop()
        (created,) = replay.asked("/api/create")
    assert created["files"] == {"a.gguf": f"sha256:{digest}", "mmproj-a.gguf": f"sha256:{seen}"}
    assert created["model"] == f"launchpad/smol:q4_1-vision-{digest[:12]}"


def test_all_parts_of_a_model_are_imported(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-0000{n}-of-00002.gguf" for n in (1, 2)]
    digests = []
    for part in parts:
        part.write_bytes(part.name.encode())
        digests.append(hashlib.sha256(part.read_bytes()).hexdigest())
    traffic = importing("", *(blob(digest, "HEAD", 200) for digest in digests))
    with Replay(traffic) as replay:
        begin(replay, start("file:///m", context=2048, path=str(parts[0]))).stop()
        assert replay.asked("/api/create")[0]["files"] == {
            part.name: f"sha256:{digest}" for part, digest in zip(parts, digests, strict=True)
        }
