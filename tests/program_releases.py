"""Releases of a program on a web server on loopback: a simulated `llama-server` that tells a version, options and devices."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROGRAM = """#!/bin/sh
case "$1" in
--version) echo "version: 0.7.0 (build {build}, abc)" ;;
--help) printf -- '-m, --model FILE\\n--host HOST\\n--port N\\n--list-devices\\n' ;;
--list-devices) printf 'Available devices:\\n{devices}' ;;
esac
"""
VULKAN = "  Vulkan0: llvmpipe (8000 MiB, 7000 MiB free)\\n"


@contextmanager
def served(root: Path) -> Iterator[str]:
    """A web server for the folder; its address."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def release(
    path: Path,
    *,
    build: int = 11669,
    devices: str = VULKAN,
    mode: int = 0o755,
    name: str = "build/bin/llama-server",
) -> str:
    """A release archive; returns its sha256."""
    program = PROGRAM.format(build=build, devices=devices).encode()
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(program), mode
        archive.addfile(info, io.BytesIO(program))
        link = tarfile.TarInfo("build/bin/llama")
        link.type, link.linkname = tarfile.SYMTYPE, "llama-server"
        if name == "build/bin/llama-server":
            archive.addfile(link)
    return hashlib.sha256(path.read_bytes()).hexdigest()
