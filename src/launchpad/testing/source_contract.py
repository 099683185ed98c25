"""Rules for model sources."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from launchpad.catalog.model import Build, LocalModel
from launchpad.errors import LaunchpadError, PullError
from launchpad.plugins.spec import ModelSource, Reachability, RemoteFile, Resolved
from launchpad.plugins.validate import MAX_ITEMS, Invalid, check_scheme
from launchpad.testing.contract import conforms, valid, valid_items
from launchpad.testing.surroundings import offline, silent, within

_LEEWAY = 2.0  # seconds over the timeout that a source is given


class SourceContract:
    """A source pins references to files with sizes and hashes. It moves no weights itself.

    `build` is a build that the source can resolve in the test, from a server on loopback or from disk.
    """

    def source(self) -> ModelSource:
        """A new source."""
        raise NotImplementedError

    def build(self) -> Build:
        """A build that it owns and that exists."""
        raise NotImplementedError

    def test_it_is_a_source(self) -> None:
        conforms(self.source(), ModelSource)

    def test_it_owns_schemes(self) -> None:
        schemes = list(self.source().schemes)
        assert schemes, "it owns no scheme"
        for scheme in schemes:
            try:
                check_scheme(scheme)
            except Invalid as problem:
                raise AssertionError(str(problem)) from None
        assert self.build().scheme in schemes

    def test_it_says_in_time_whether_it_can_be_reached(self) -> None:
        source = self.source()
        for timeout in (3.0, 0.001):
            with silent(), within(timeout + _LEEWAY):
                answer = source.reachable(timeout)
            valid(answer, Reachability)
            assert answer.ok or answer.why, "it says no and not why"

    def test_what_it_holds_is_possible_and_needs_no_network(self) -> None:
        with offline(), silent():
            found = valid_items(self.source().local(), LocalModel, MAX_ITEMS)
        refs = [model.ref for model in found]
        assert len(refs) == len(set(refs)), "it lists a model twice"

    def test_a_build_is_pinned(self) -> None:
        source, build = self.source(), self.build()
        resolved = source.resolve(build)
        valid(resolved, Resolved)
        assert resolved.ref.partition("://")[0] in source.schemes
        assert source.resolve(build) == resolved, "resolving twice gives two answers"

    def test_every_file_can_be_verified(self) -> None:
        for file in self.source().resolve(self.build()).files:
            for digest in (file.sha256, file.archive_sha256):
                assert digest is None or re.fullmatch(r"[0-9a-f]{64}", digest), f"{digest!r} is no sha256"
            whole = file.size is not None and (file.sha256 or file.git_sha1)
            archive = file.member and file.archive_size is not None and file.archive_sha256
            assert whole or archive, f"{file.path} has no size or no hash"

    def test_every_file_stays_in_its_folder(self) -> None:
        resolved = self.source().resolve(self.build())
        for file in resolved.files:
            assert _is_inside(file.path), f"{file.path!r} leaves its folder"
        if resolved.files:
            folder, entry = resolved.folder, resolved.entry
            assert _is_inside(folder) and "/" not in folder, f"{folder!r} is no folder's name"
            assert entry in {file.path for file in resolved.files}, f"{entry!r} is none of the files"

    def test_every_address_is_safe(self) -> None:
        for file in self.source().resolve(self.build()).files:
            assert file.urls, f"{file.path} has no address"
            for url in file.urls:
                assert _is_safe(url), f"{url} is neither https nor on this machine"

    def test_a_token_has_one_host(self) -> None:
        resolved = self.source().resolve(self.build())
        if resolved.token:
            assert resolved.token_host, "it has a token and no host to show it to"
            assert resolved.token not in repr(resolved), "its token is in its repr"
            for url in _urls(resolved.files):
                assert resolved.token not in url, "its token is in an address"

    def test_what_is_not_its_own_is_refused_with_an_error_for_people(self) -> None:
        scheme = next(iter(self.source().schemes))
        for ref in ("nobody-owns-this://x/y", f"{scheme}://", f"{scheme}://../../etc/passwd"):
            build = Build(ref=ref, format="gguf", quantization="Q4_K_M")
            try:
                found = self.source().resolve(build)
            except LaunchpadError as error:
                assert isinstance(error, PullError) or error.exit_code in (2, 3, 7), f"{ref}: {error!r}"
                assert "\n" not in error.what
            else:
                raise AssertionError(f"{ref} was resolved to {found.ref}")


def _urls(files: tuple[RemoteFile, ...]) -> list[str]:
    return [url for file in files for url in file.urls]


def _is_inside(path: str) -> bool:
    for kind in (PurePosixPath, PureWindowsPath):
        pure = kind(path)
        if not path or pure.is_absolute() or pure.drive or pure.root or ".." in pure.parts:
            return False
    return True


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    )
