"""A simulated ModelScope on loopback: its file listing and its downloads, with the faults of the simulated Hub.

    with SimulatedModelScope() as server:
        server.add_repository("org/tiny-GGUF", {"tiny-Q4_K_M.gguf": content})
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.endpoint)

It speaks `/api/v1/models/{id}/repo/files?Revision=…&Recursive=true` and
`/api/v1/models/{id}/repo?Revision=…&FilePath=…`; faults, `gets` and `bytes_sent` know a download as
`/api/v1/models/{id}/repo/{revision}/{file}`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from launchpad.testing.hub import SimulatedHub

MOST_LISTED = 3000  # the real server says no more than this in one listing, and not that there is more


class SimulatedModelScope(SimulatedHub):
    """The server. Use it as a context manager."""

    def route(self, target: str) -> str:
        """Revision and file are in the query there; here they become a part of the path."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        path = unquote(parts.path)
        revision = query.get("Revision", ["master"])[0]
        if path.endswith("/repo"):
            return f"{path}/{revision}/{query.get('FilePath', [''])[0]}"
        return f"{path}/{revision}" if path.endswith("/repo/files") else path

    def add_repository(
        self,
        repo: str,
        files: Mapping[str, bytes],
        *,
        branch: str = "master",
        names: Mapping[str, str] | None = None,
        digests: Mapping[str, str] | None = None,
        commits: bool = True,
    ) -> str:
        """Serve a repository and return its last commit. `names` and `digests` make the listing lie.

        With `commits` false, the listing names no commit of a file, as the documentation leaves open.
        """
        commit = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
        listed = [
            self._entry((names or {}).get(path, path), content, (digests or {}).get(path))
            for path, content in files.items()
        ]
        for number, entry in enumerate(listed):
            entry["CommittedDate"] = 1_700_000_000 + number
            if commits:
                entry["Revision"] = commit if number == len(listed) - 1 else f"{number:040x}"
        folders = sorted({path.rpartition("/")[0] for path in files} - {""})
        tree = [{"Name": name, "Path": name, "Type": "tree", "Size": 0, "Sha256": ""} for name in folders]
        answer = {
            "Code": 200,
            "Success": True,
            "Message": "success",
            "RequestId": "simulated",
            "Data": {"Files": (tree + listed)[:MOST_LISTED]},
        }
        for revision in (branch, commit):
            self.add(
                f"/api/v1/models/{repo}/repo/files/{revision}",
                json.dumps(answer).encode(),
                kind="application/json",
            )
            for path, content in files.items():
                self.add(f"/api/v1/models/{repo}/repo/{revision}/{path}", content)
        return commit

    @staticmethod
    def _entry(path: str, content: bytes, digest: str | None) -> dict[str, Any]:
        return {
            "Name": path.rpartition("/")[2],
            "Path": path,
            "Type": "blob",
            "Size": len(content),
            "Sha256": digest or hashlib.sha256(content).hexdigest(),
            "IsLFS": path.endswith((".gguf", ".safetensors")),
        }
