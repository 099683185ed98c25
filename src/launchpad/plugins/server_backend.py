"""A backend that runs already: an OpenAI-compatible server of the user's, never started and never stopped by launchpad.

Its models are the ones that it lists; `NAME://model` names one, and the source of that scheme says which there are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.config.sections import BackendConfig
from launchpad.engines.probing import one_token
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import LaunchError, UnknownModel
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
        import http.client

        url = urlsplit(self.url)
        connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = connect(url.hostname or "", url.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            connection.request("GET", f"{url.path.rstrip('/')}/models", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise OSError(f"it answers {answer.status} when asked for its models")
            return listed(json.loads(answer.read(16 * 2**20)))
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"its list of models cannot be read: {clean(str(error))[:200]}") from error
        finally:
            connection.close()


class ServerBackend(BackendBase):
    """Chats with a server that runs already. Its memory is its own affair: every fit is "unknown"."""

    bounded = True  # nothing of a catalog is its own, so nothing too large ever is

    def __init__(self, name: str, settings: BackendConfig) -> None:
        assert settings.url is not None
        self.name = name
        self.address = ServerAddress(url=settings.url.rstrip("/"), key_env=settings.key_env)
        self._contexts: dict[str, int | None] = {}
        self.capabilities = BackendCapabilities(formats=("served",), own_store=True, keyed=False)

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when it lists its models."""
        if machine.simulated:
            return BackendStatus(state="unusable", why="It is no part of a simulated machine.")
        try:
            found = self.address.models()
        except OSError as error:
            return BackendStatus(
                state="unusable",
                why=f"{self.address.url} does not answer: {error}.",
                hint=self.how_to_start(),
            )
        self._contexts = {f"{self.name}://{one.id}": one.context for one in found}
        return BackendStatus(state="ready")

    def how_to_start(self) -> str:
        """What to do where nothing answers."""
        return "Start that server, and load a model in it; launchpad does neither."

    def builds(self, model: Model) -> Iterable[Build]:
        """Those that are this server's own."""
        return tuple(build for build in model.builds if build.scheme == self.name)

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """Unknown: nobody but the server knows what it takes."""
        most = self._contexts.get(build.ref) or model.context
        context = wish.context or most or CONTEXT
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
            names = [one.id for one in self.address.models()]
        except OSError as error:
            raise LaunchError(
                f"{self.name} does not answer.", why=f"{self.address.url}: {error}.", hint=self.how_to_start()
            ) from error
        if name not in names:
            raise UnknownModel(
                f"{self.name} has no model {name!a}.", why=f"It lists {', '.join(names[:20]) or 'none'}."
            )
        server = Server(
            id=self.name,
            backend=self.name,
            endpoint=self.address.url,
            api_key=self.address.key,
            pid=0,
            model=name,
            settings=start.settings,
            report=EngineReport(engine=f"{self.name} at {self.address.url}"),
        )
        status, said = one_token(server, FIRST_TOKEN)
        if status != 200:
            raise LaunchError(
                f"{self.name} does not run {name}.",
                why=f"Asked for one token it said {status or 'nothing'}: {said}",
                hint="Its own log tells more.",
            )
        return Attached(server, self.address)


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
            why = f"{self.address.url} does not answer: {error}."
            return Reachability(ok=False, why=why, hint="Start that server; launchpad does not.")
        return Reachability(ok=True)

    def resolve(self, build: Build) -> Resolved:
        """Nothing can be fetched from it. Raises `UnknownModel`."""
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
                size=0,
                format="served",
                owner=self.name,
                context=one.context,
            )
            for one in found
        )
