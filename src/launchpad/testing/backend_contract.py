"""Rules for backends: what they say without an engine, and what they do with one."""

from __future__ import annotations

import json
import socket
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launchpad.catalog.model import Build, LocalModel, Model, Shape
from launchpad.engines.server import RunningServer, Server
from launchpad.errors import LaunchpadError
from launchpad.events import ignore
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Accelerator, Cpu, Machine, Memory
from launchpad.plan import StartStep
from launchpad.plugins.spec import Backend, BackendCapabilities, BackendStatus
from launchpad.plugins.validate import MAX_ITEMS, Invalid, check_arguments, check_fit
from launchpad.testing.contract import conforms, valid, valid_items
from launchpad.testing.surroundings import offline, silent
from launchpad.wish import Wish

GIB = 1 << 30

MACHINES = (
    Machine(name="simulated: nothing is known", simulated=True),
    Machine(
        name="simulated: small laptop",
        os="linux",
        cpu=Cpu(cores_physical=2, cores_logical=4, cores_available=4, bandwidth=20e9),
        memory=Memory(total=8 * GIB, available=5 * GIB),
        disk_free=50 * GIB,
        simulated=True,
    ),
    Machine(
        name="simulated: workstation with a GPU",
        os="linux",
        cpu=Cpu(cores_physical=16, cores_logical=32, cores_available=32, bandwidth=80e9),
        memory=Memory(total=64 * GIB, available=56 * GIB),
        accelerators=(
            Accelerator(
                index=0,
                vendor="nvidia",
                name="NVIDIA GeForce RTX 4090",
                apis=("cuda", "vulkan"),
                arch="8.9",
                memory_total=24 * GIB,
                memory_free=23 * GIB,
                bandwidth=1008e9,
            ),
        ),
        disk_free=500 * GIB,
        simulated=True,
    ),
)
"""Machines on which a backend is asked for a fit."""


class BackendContract:
    """A backend tells the truth about where it runs, and starts private engines that end when told.

    Rules that an engine says it cannot keep (`BackendCapabilities`) are not asked of it.
    The rules of the second part start the engine; they need `model_file` and are skipped without it.
    """

    def backend(self) -> Backend:
        """A new backend."""
        raise NotImplementedError

    def model_file(self) -> Path | None:
        """A real model that the backend can run here, small enough for a test."""
        return None

    # -- without an engine -----------------------------------------------------------------------------------

    def test_it_is_a_backend(self) -> None:
        backend = self.backend()
        conforms(backend, Backend)
        valid(backend.capabilities, BackendCapabilities)
        assert backend.capabilities.formats, "it reads no format"

    def test_its_status_is_helpful_on_every_machine(self) -> None:
        for machine in MACHINES:
            with silent():
                status = self.backend().status(machine)
            valid(status, BackendStatus)
            assert status.state != "unusable" or status.why, "it is unusable and does not say why"
            assert status.state != "installable" or status.hint, "it is installable and does not say how"

    def test_it_names_only_builds_that_it_reads(self) -> None:
        backend, model = self.backend(), self._model(1 * GIB)
        builds = valid_items(backend.builds(model), Build, MAX_ITEMS)
        strange = {build.format for build in builds} - set(backend.capabilities.formats)
        assert not strange, f"it names builds of {strange}, which it does not read"

    def test_its_fits_are_possible(self) -> None:
        for model, build, machine, fit in self._fits():
            try:
                check_fit(fit, model, build, machine, Wish(), backend=self.backend().name)
            except Invalid as problem:
                raise AssertionError(f"{machine.name}: {problem}") from None
            assert fit.verdict == "fits" or fit.why, f"{machine.name}: {fit.verdict}, and it does not say why"

    def test_its_fits_are_pure(self) -> None:
        with offline(), silent():
            first, second = list(self._fits()), list(self._fits())
        assert first == second, "the same question gets two answers"

    def test_its_arguments_are_plain_and_pure(self) -> None:
        with offline(), silent():
            for _, _, _, fit in self._fits():
                first, second = self.backend().arguments(fit), self.backend().arguments(fit)
                try:
                    check_arguments(first, "it")
                except Invalid as problem:
                    raise AssertionError(str(problem)) from None
                assert first == second, f"first {first}, then {second}"

    def test_what_it_holds_is_possible_and_needs_no_network(self) -> None:
        with offline(), silent():
            valid_items(self.backend().local(), LocalModel, MAX_ITEMS)

    # -- with an engine --------------------------------------------------------------------------------------

    def test_its_engine_answers_in_the_openai_format(self) -> None:
        with self._running() as running:
            valid(running.server, Server)
            assert running.alive(), "it is not alive right after the launch"
            body = {
                "model": running.server.model,
                "messages": [{"role": "user", "content": "Say hello."}],
                "max_tokens": 16,
                "temperature": 0,
            }
            status, answer = _request(running.server, "/chat/completions", body)
            assert status == 200, answer
            assert answer["choices"][0]["message"]["content"].strip(), "the answer is empty"

    def test_its_engine_is_private_and_keyed(self) -> None:
        with self._running() as running:
            host = urlsplit(running.server.endpoint).hostname
            assert host in ("127.0.0.1", "::1"), f"it listens on {host}"
            if not self.backend().capabilities.keyed:
                return
            assert len(running.server.api_key) >= 16, "its key can be guessed"
            for key in ("", "wrong"):
                status, _ = _request(running.server, "/models", key=key)
                assert status in (401, 403), f"it answers {status} to the key {key!r}"

    def test_its_engine_ends_when_told_and_only_then(self) -> None:
        with self._running() as running:
            url = urlsplit(running.server.endpoint)
            running.stop()
            assert not running.alive(), "it is alive after stop()"
            running.stop()  # again: no error
            with socket.socket() as probe:
                probe.settimeout(5)
                assert probe.connect_ex((str(url.hostname), url.port)) != 0, (
                    "its port still answers after stop()"
                )
            assert all("\n" not in line for line in running.log_tail()), "a line of the log is several"

    def test_a_file_that_is_no_model_is_refused_with_an_error_for_people(self, tmp_path: Path) -> None:
        self._model_file()
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(b"GGUF" + bytes(64))
        try:
            running = self.backend().launch(self._start(broken), ignore)
        except LaunchpadError as error:
            assert "\n" not in error.what
        else:
            running.stop()
            raise AssertionError("it started without a model")

    # -- helpers ---------------------------------------------------------------------------------------------

    def _model(self, size: int) -> Model:
        """A simulated model with a build in each format that the backend reads, and in one that nobody reads."""
        formats = (*self.backend().capabilities.formats, "unknown-format")
        builds = tuple(
            Build(ref=f"simulated://{name}", format=name, quantization="Q4_K_M", size=size, size_exact=True)  # type: ignore[arg-type]
            for name in formats
        )
        shape = Shape(
            architecture="llama", layers=32, hidden_size=4096, attention_heads=32, kv_heads=8, head_dim_k=128,
            head_dim_v=128, ffn=14336, vocab_size=128256,
        )  # fmt: skip
        return Model(
            id="simulated/model", name="Simulated", lab="Simulated", lab_id="simulated", parameters=size / 0.6,
            shape=shape, context=8192, builds=builds,
        )  # fmt: skip

    def _fits(self) -> Iterator[tuple[Model, Build, Machine, Fit]]:
        """What the backend says of a small and of a huge model on each machine, where it is asked for by its name."""
        backend = self.backend()
        wish = Wish(backend=backend.name)
        for size in (1 * GIB, 400 * GIB):
            model = self._model(size)
            for build in backend.builds(model):
                for machine in MACHINES:
                    fit = backend.fit(model, build, machine, wish)
                    if fit is not None:
                        yield model, build, machine, fit

    def _model_file(self) -> Path:
        path = self.model_file()
        if path is None:
            raise unittest.SkipTest("model_file() names no model, so the engine is not started")
        return path

    def _start(self, path: Path) -> StartStep:
        """The step that starts the engine on the CPU, with a context of 1024 tokens."""
        backend = self.backend()
        settings = Settings(context=1024)
        ref = path.as_uri()
        fit = Fit(
            model_id="contract/model", build=ref, backend=backend.name, settings=settings,
            placement=Placement(kind="cpu"), devices=(), verdict="fits",
        )  # fmt: skip
        return StartStep(
            backend=backend.name, model_id=fit.model_id, model_name="Contract", build=ref, model_path=str(path),
            settings=settings, arguments=backend.arguments(fit), fit=fit,
        )  # fmt: skip

    @contextmanager
    def _running(self) -> Iterator[RunningServer]:
        running = self.backend().launch(self._start(self._model_file()), ignore)
        try:
            yield running
        finally:
            running.stop()


def _request(server: Server, path: str, body: object = None, *, key: str | None = None) -> tuple[int, Any]:
    import http.client

    url = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
    headers = {"Content-Type": "application/json"}
    if key != "":
        headers["Authorization"] = f"Bearer {server.api_key if key is None else key}"
    try:
        connection.request(
            "POST" if body else "GET", f"{url.path}{path}", json.dumps(body) if body else None, headers
        )
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text
