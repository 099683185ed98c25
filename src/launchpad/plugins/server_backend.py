"""A backend that runs already: an OpenAI-compatible server of the user's, never started and never stopped by launchpad.

Its models are the ones that it lists; `NAME://model` names one, and the source of that scheme says which there are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.config.backends import check_backends
from launchpad.config.sections import BackendConfig
from launchpad.engines.probing import one_token
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import LaunchError, SourceUnreachable, UnknownModel
from launchpad.events import Report
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Machine
from launchpad.plan import EngineArguments, StartStep
from launchpad.plugins.base import BackendBase
from launchpad.plugins.model_list import Served, listed
from launchpad.plugins.spec import BackendCapabilities, BackendStatus, Reachability, Resolved
from launchpad.sanitize import clean
from launchpad.wish import Wish

PATIENCE = 2.0  # s for a list of models
FIRST_TOKEN = 300.0  # s: many such servers load a model when it is first asked for
LONGEST = 16 << 20  # bytes of an answer that are read
UNLOADED = 8192  # tokens, for a model that is still to be loaded and could take many more
CONTEXT = 4096  # tokens, where the server does not say how many it takes


class ServerAddress(Struct, frozen=True, kw_only=True):
    """Where a server is, and the variable that holds its key."""

    url: str
    key_env: str | None = None

    @property
    def key(self) -> str:
        """The key; "" where there is none."""
        return os.environ.get(self.key_env, "") if self.key_env else ""

    def models(self, timeout: float = PATIENCE) -> tuple[Served, ...]:
        """What it lists. Raises `OSError`, also for an answer that is no list."""
        try:
            return listed(self.ask(f"{urlsplit(self.url).path.rstrip('/')}/models", timeout=timeout))
        except ValueError as error:
            raise OSError(f"its list of models cannot be read: {clean(str(error))[:200]}") from error

    def ask(self, path: str, body: object = None, timeout: float = PATIENCE) -> Any:
        """What it answers to GET, or to POST with a `body`: JSON. Raises `ServerRefused` for an error status, else `OSError`."""
        import http.client

        url = urlsplit(self.url)
        connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = connect(url.hostname or "", url.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(
                "GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers
            )
            answer = connection.getresponse()
            data = answer.read(LONGEST)
            if answer.status != 200:
                said = clean(data[:2000].decode(errors="replace"))[:300]
                raise ServerRefused(answer.status, f"it answers {answer.status} to {path}", said)
            return json.loads(data)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"its answer to {path} cannot be read: {clean(str(error))[:200]}") from error
        finally:
            connection.close()


class ServerRefused(OSError):
    """A server answered with an error `status`, and `said` something in one line."""

    def __init__(self, status: int, what: str, said: str) -> None:
        super().__init__(what)
        self.status, self.said = status, said


def server_config(name: str, default: str, variable: str, key_env: str | None = None) -> BackendConfig:
    """Where a server of that name is: what the user's `variable` says, else `default`. Raises `ConfigError`.

    What holds for `[backends.NAME]` holds here: a key goes over https or to this machine only.
    """
    table = {"url": os.environ.get(variable) or default, "key_env": key_env}
    return check_backends({name: {key: value for key, value in table.items() if value}}, f"${variable}")[name]


class ServerBackend(BackendBase):
    """Chats with a server that runs already. Its memory is its own affair: every fit is "unknown".

    A subclass may know more of its server: `address_type` lists its models, `load` brings one into memory. `abilities` are
    fields of `BackendCapabilities`.
    """

    bounded = True  # nothing of a catalog is its own, so nothing too large ever is
    address_type: type[ServerAddress] = ServerAddress

    def __init__(self, name: str, settings: BackendConfig, **abilities: bool) -> None:
        assert settings.url is not None
        self.name = name
        self.address = self.address_type(url=settings.url.rstrip("/"), key_env=settings.key_env)
        self._served: dict[str, Served] = {}
        self.capabilities = BackendCapabilities(
            formats=("served",), apis=(), own_store=True, keyed=False, **abilities
        )

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when it lists its models."""
        if machine.simulated:
            return BackendStatus(state="unusable", why="It is no part of a simulated machine.")
        try:
            found = self.address.models()
        except ServerRefused as refused:
            key = refused.status in (401, 403)
            return BackendStatus(
                state="unusable",
                why=f"{self.address.url} does not list its models: {refused}.",
                hint="Put its key into a variable, and name that as `key_env`."
                if key
                else self.how_to_start(),
            )
        except OSError as error:
            return BackendStatus(
                state="unusable",
                why=f"{self.address.url} does not answer: {error}.",
                hint=self.how_to_start(),
            )
        self._served = {f"{self.name}://{one.id}": one for one in found}
        return BackendStatus(state="ready")

    def how_to_start(self) -> str:
        """What to do where nothing answers."""
        return "Start that server, and load a model in it; launchpad does neither."

    def source(self) -> ServedModels:
        """Where its models are named: its scheme."""
        return ServedModels(self.name, self.address)

    def builds(self, model: Model) -> Iterable[Build]:
        """Those that are this server's own."""
        return tuple(build for build in model.builds if build.scheme == self.name)

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """Unknown: nobody but the server knows what it takes."""
        served = self._served.get(build.ref)
        most = (served.context if served else None) or model.context
        usual = min(most or CONTEXT, UNLOADED) if served and served.loaded is False else most or CONTEXT
        context = wish.context or usual
        return Fit(
            model_id=model.id,
            build=build.ref,
            backend=self.name,
            settings=Settings(context=min(context, most) if most else context),
            placement=Placement(kind="unknown"),
            devices=(),
            verdict="unknown",
            elsewhere=True,
            why=f"it runs in the server at {self.address.url}, which alone knows what memory it takes",
        )

    def arguments(self, fit: Fit) -> EngineArguments:
        """Nothing: it runs as it was started."""
        return {}

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Ask it for a token. Raises `UnknownModel`, or `LaunchError` when it makes none."""
        name = start.build.removeprefix(f"{self.name}://")
        try:
            found = {one.id: one for one in self.address.models()}
        except OSError as error:
            raise LaunchError(
                f"{self.name} does not answer.", why=f"{self.address.url}: {error}.", hint=self.how_to_start()
            ) from error
        if name not in found:
            raise UnknownModel(
                f"{self.name} has no model {name!a}.", why=f"It lists {', '.join([*found][:20]) or 'none'}."
            )
        context = self.load(found[name], start, report)
        server = Server(
            id=self.name,
            backend=self.name,
            endpoint=self.address.url,
            api_key=self.address.key,
            pid=0,
            model=name,
            settings=start.settings,
            report=EngineReport(engine=f"{self.name} at {self.address.url}", context=context),
        )
        status, said = one_token(server, FIRST_TOKEN)
        if status != 200:
            raise LaunchError(
                f"{self.name} does not run {name}.",
                why=f"Asked for one token it said {status or 'nothing'}: {said}",
                hint="Its own log tells more.",
            )
        return Attached(server, self.address)

    def load(self, model: Served, start: StartStep, report: Report) -> int | None:
        """Bring it into memory where that is not done by asking it; its context in tokens, None where the server does not say.

        Raises `LaunchError`.
        """
        return model.context


class Attached:
    """A `RunningServer` that is somebody else's: nothing of it ends with launchpad."""

    def __init__(self, server: Server, address: ServerAddress) -> None:
        self._server, self._address = server, address
        self._stopped = False

    @property
    def server(self) -> Server:
        """The facts."""
        return self._server

    def alive(self) -> bool:
        """False once it no longer answers, or launchpad has let go of it."""
        if self._stopped:
            return False
        try:
            self._address.models()
        except OSError:
            return False
        return True

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """Its log is not ours."""
        return ()

    def stop(self) -> None:
        """Let go of it; it runs on."""
        self._stopped = True


class ServedModels:
    """The `ModelSource` of a server: its scheme, and what it lists. There is nothing to fetch."""

    def __init__(self, name: str, address: ServerAddress) -> None:
        self.name = name
        self.schemes = (name,)
        self.address = address

    def reachable(self, timeout: float) -> Reachability:
        """Whether it lists its models."""
        try:
            self.address.models(timeout)
        except OSError as error:
            why = f"{self.address.url} does not list its models: {error}."
            return Reachability(
                ok=False, why=why, hint="Start that server, and check its key; launchpad does neither."
            )
        return Reachability(ok=True)

    def resolve(self, build: Build) -> Resolved:
        """Nothing can be fetched from it. Raises `UnknownModel`, or `SourceUnreachable` where it does not even list its models."""
        reach = self.reachable(PATIENCE)
        if not reach.ok:
            raise SourceUnreachable(
                f"{self.name} cannot be asked for {build.ref!a}.", why=reach.why, hint=reach.hint
            )
        raise UnknownModel(
            f"{self.name} does not list {build.ref!a}.",
            why=f"The models of {self.address.url} are those that it lists.",
            hint="`launchpad list` shows them.",
        )

    def local(self) -> Iterable[LocalModel]:
        """What it lists; nothing while it does not answer."""
        try:
            found = self.address.models()
        except OSError:
            return ()
        return tuple(
            LocalModel(
                ref=f"{self.name}://{one.id}",
                path="",
                size=one.size or 0,
                format="served",
                owner=self.name,
                quantization=one.quantization,
                context=one.context,
                capabilities=one.capabilities,
            )
            for one in found
        )
