"""Talking to an Ollama server: its own client, with errors that people can act on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.plugins import (
    BusyError,
    DiskFull,
    EngineCrashed,
    LaunchError,
    LaunchpadError,
    OllamaProblem,
    PullError,
    SourceUnreachable,
    UnknownModel,
    VerifyError,
    explain_ollama,
    get_loopback,
)
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.names import is_on_loopback

if TYPE_CHECKING:
    import ollama

CONNECT_SECONDS = 5.0
QUICK_SECONDS = 30.0  # for what needs no model and no network
_WEIGHTS = re.compile(r"^FROM .*sha256[-:]([0-9a-f]{64})", re.MULTILINE)


class Server:
    """One Ollama server. Every method raises a `LaunchpadError` of the family that fits what it does."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._clients: dict[float | None, ollama.Client] = {}

    def version(self, timeout: float = CONNECT_SECONDS) -> str | None:
        """Its version; None when something answers that is no Ollama. Raises `OSError` when nothing answers."""
        status, found = self._get_json("/api/version", timeout)
        version = found.get("version") if status == 200 and isinstance(found, dict) else None
        return version if isinstance(version, str) else None

    def tags(self) -> list[dict[str, Any]]:
        """What its store holds. Asked at every survey: without the client, whose import takes longer than the answer."""
        try:
            status, found = self._get_json("/api/tags", QUICK_SECONDS)
        except OSError as error:
            raise self._gone("its list of models", LaunchError, error) from error
        models = found.get("models") if isinstance(found, dict) else None
        if status != 200:
            raise _error(explain_ollama(found, status, "the list of models"), LaunchError)
        return [model for model in models or () if isinstance(model, dict) and model.get("model")]

    def loaded(self) -> list[dict[str, Any]]:
        """What it has in memory. It lags: nothing while a model loads, and the dead are still listed for a while."""
        with self._words("its list of loaded models", LaunchError):
            return _plain_models(self._quick().ps())

    def show(self, tag: str) -> dict[str, Any]:
        """What it knows of one model."""
        with self._words(tag, LaunchError):
            found: dict[str, Any] = self._quick().show(tag).model_dump(by_alias=True)
            return found

    def weights(self, tag: str) -> str | None:
        """The sha256 of the model's weights, which all its aliases share; None when it does not say."""
        return weights_in(self.show(tag))

    def pull(self, tag: str) -> Generator[dict[str, Any]]:
        """Fetch; yields its progress lines. Closing the iterator stops the download, and what came is kept."""
        with self._words(tag, PullError):
            stream = self._slow().pull(tag, insecure=is_on_loopback(tag), stream=True)
            for line in stream:
                yield line.model_dump(exclude_none=True)

    def create(
        self,
        tag: str,
        *,
        base: str | None = None,
        files: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Generator[dict[str, Any]]:
        """Make a model from one in the store, or from uploaded files; yields its progress lines."""
        with self._words(tag, PullError):
            stream = self._slow().create(
                tag, from_=base, files=dict(files) if files else None, parameters=parameters, stream=True
            )
            for line in stream:
                yield line.model_dump(exclude_none=True)

    def delete(self, tag: str) -> None:
        """Remove a name from the store."""
        with self._words(tag, LaunchError):
            self._quick().delete(tag)

    def load(self, tag: str, context: int, keep_alive: str, name: str) -> None:
        """Bring it into memory with this context; returns when it is there. `name` is what errors call it."""
        with self._words(name, LaunchError):
            self._slow().generate(tag, options={"num_ctx": context}, keep_alive=keep_alive)

    def unload(self, tag: str) -> None:
        """Take it out of memory."""
        with self._words(tag, LaunchError):
            self._quick().generate(tag, keep_alive=0)

    def upload(self, path: Path, digest: str) -> None:
        """Send a file as a blob, unless the server has it. `digest` is its sha256.

        A server that has the blob answers before it has read it and hangs up: so it is asked first, and again after a
        broken connection.
        """
        import httpx2

        url = f"{self.address.url}/api/blobs/sha256:{digest}"
        what = f"the import of {path.name}"
        with self._words(what, PullError), self._http(None) as client:
            if client.head(url).status_code == 200:
                return
            try:
                with path.open("rb") as file:
                    size = str(path.stat().st_size)
                    response = client.post(
                        url, content=iter(lambda: file.read(1 << 20), b""), headers={"Content-Length": size}
                    )
            except httpx2.TransportError:
                if client.head(url).status_code == 200:
                    return
                raise
            if response.status_code not in (200, 201):
                raise _error(explain_ollama(response.text, response.status_code, path.name), PullError)

    # -- connections --------------------------------------------------------------------------------------------

    def _slow(self) -> ollama.Client:
        """A client that waits as long as it takes: loads and downloads are slow."""
        return self._of(None)

    def _quick(self) -> ollama.Client:
        """A client for what needs no model and no network."""
        return self._of(QUICK_SECONDS)

    def _of(self, timeout: float | None) -> ollama.Client:
        if timeout not in self._clients:
            import httpx
            import ollama

            self._clients[timeout] = ollama.Client(
                self.address.url,
                trust_env=not self.address.local,  # no proxy between this machine and itself
                follow_redirects=False,
                timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            )
        return self._clients[timeout]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()  # type: ignore[no-untyped-call]
        self._clients.clear()

    def _http(self, timeout: float | None) -> Any:
        import httpx2

        limits = httpx2.Timeout(timeout, connect=CONNECT_SECONDS)
        https = self.address.scheme == "https"
        return httpx2.Client(trust_env=not self.address.local, verify=https, timeout=limits)

    def _get_json(self, path: str, timeout: float) -> tuple[int, Any]:
        """(status, decoded JSON or None), quickly. Raises `OSError` when nothing answers."""
        if self.address.scheme == "http" and self.address.host == "127.0.0.1":
            return get_loopback(self.address.port, self.address.path + path, timeout=timeout)
        import httpx2

        try:
            with self._http(timeout) as client:
                response = client.get(self.address.url + path)
                return response.status_code, json.loads(response.content)
        except httpx2.HTTPError as error:
            raise ConnectionError(str(error)) from error
        except ValueError:
            return 0, None

    @contextlib.contextmanager
    def _words(self, name: str, family: type[LaunchpadError]) -> Generator[None]:
        """Turn every way that a request can fail into an error of ours."""
        import httpx
        import httpx2
        import ollama

        try:
            yield
        except ollama.ResponseError as error:
            status = error.status_code if error.status_code > 0 else None
            raise _error(explain_ollama(error.error, status, name), family) from error
        except (ConnectionError, httpx.ConnectError, httpx2.ConnectError) as error:
            raise self._gone(name, family, error) from error
        except (httpx.HTTPError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise self._gone(name, family, error) from error

    def _gone(self, name: str, family: type[LaunchpadError], error: Exception) -> LaunchpadError:
        words = " ".join(str(error).split()) or type(error).__name__
        hint = "Start it again (`ollama serve`) and repeat the command; what was pulled is kept."
        if family is LaunchError:
            hint = "Start it again (`ollama serve`) and repeat the command."
        return family(
            f"The Ollama server went away during {name}.",
            why=f"{self.address.url}: {words}",
            hint=hint,
            retryable=True,
        )


def weights_in(shown: Mapping[str, Any]) -> str | None:
    """The sha256 of the weights that an answer of `/api/show` names; None when it names none."""
    found = _WEIGHTS.search(str(shown.get("modelfile") or ""))
    return found[1] if found else None


_CLASSES: dict[str, type[LaunchpadError]] = {
    "busy": BusyError,
    "disk": DiskFull,
    "damaged": VerifyError,
    "unreachable": SourceUnreachable,
}


def _error(problem: OllamaProblem, family: type[LaunchpadError]) -> LaunchpadError:
    if family is LaunchError and problem.kind == "memory":
        return _out_of_memory(problem)
    made = _CLASSES.get(problem.kind, family)
    if family is PullError and problem.kind in ("missing", "name"):
        made = UnknownModel
    if family is LaunchError and made is not BusyError:
        made = LaunchError
    return made(problem.what, why=problem.why, hint=problem.hint, retryable=problem.retryable)


def _out_of_memory(problem: OllamaProblem) -> EngineCrashed:
    """A load that lacked memory: launchpad tries once more with less context, unless that was asked for."""
    crash = EngineCrashed(problem.what, why=problem.why, hint=problem.hint)
    crash.memory = True
    return crash


def _plain_models(response: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [model.model_dump() for model in response.models]
    return [model for model in found if model.get("model")]
