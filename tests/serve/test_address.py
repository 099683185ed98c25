"""Where the gateway listens, who holds its port, what it tells other commands, and its key."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from launchpad.errors import BusyError, EngineError, RefusedError, UnknownModel, UsageError
from launchpad.serve import address, key, state
from launchpad.serve.state import ServedModel

MODELS = (ServedModel(name="m", context=4096), ServedModel(name="n", context=8192))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_loopback_needs_no_key_of_ones_own(host: str) -> None:
    address.check_public(host, own_key=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.nip.io", ""])
def test_beyond_this_machine_it_does(host: str) -> None:
    with pytest.raises(RefusedError) as caught:
        address.check_public(host, own_key=False)
    assert "--key-file" in (caught.value.hint or "")
    address.check_public(host, own_key=True)


def test_a_port_in_use_names_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BusyError) as caught:
            address.bind("127.0.0.1", port)
        assert f"(process {os.getpid()})" in (caught.value.why or "")
        assert f"--port {port + 1}" in (caught.value.hint or "")


def test_an_address_of_another_machine() -> None:
    for host in ("192.0.2.1", "no such host.invalid"):
        with pytest.raises(UsageError):
            address.bind(host, 0)


def test_the_port_is_nobody_elses_default() -> None:
    others = {11434, 1234, 8080, 9931, 8000, 30000, 12434, 13305, 6767, 1337, 6379, 8265, 50052, 29500}
    assert address.PORT not in others
    assert address.PORT < 32768  # nor taken at random for outgoing connections


def test_names_under_which_it_can_be_asked_for() -> None:
    assert address.reachable("127.0.0.1") == ()
    assert address.reachable("192.168.1.5") == ("192.168.1.5",)
    assert address.reachable("fd00::1") == ("[fd00::1]",)
    assert socket.gethostname() in address.reachable("0.0.0.0")


def test_the_key_is_made_once_and_is_private() -> None:
    made, new = key.own_key()
    again, newer = key.own_key()
    other, newest = key.own_key(renew=True)
    assert (new, newer, newest) == (True, False, True)
    assert made == again != other
    assert len(made) > 40
    assert stat.S_IMODE(key.default_file().stat().st_mode) == 0o600
    assert list(key.default_file().parent.glob("serve.key*")) == [key.default_file()]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("0123456789abcdef0123\n")
    file.chmod(0o644)
    with pytest.raises(RefusedError, match="Others can read"):
        key.read(file)
    file.chmod(0o600)
    assert key.read(file) == "0123456789abcdef0123"
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(UsageError):
        key.read(link)


@pytest.mark.parametrize(
    "text", ["", "short", "two words 0123456789abcdef", "0123456789abcdef\nsecond", "\u00fc" * 20, "\0" * 20]
)
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(UsageError):
        key.read(file)
    for none in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError):
            key.read(none)


def test_a_gateway_is_found_while_it_lives() -> None:
    with pytest.raises(EngineError, match="No gateway runs"):
        state.the_one()
    state.write("http://127.0.0.1:7", 7, Path("k"), MODELS)
    found = state.the_one()
    assert (found.base_url, found.port, found.models) == ("http://127.0.0.1:7/v1", 7, MODELS)
    assert found.key_file == str(Path("k").absolute())
    assert (state.served(found).name, state.served(found, "N").name) == ("m", "n")
    with pytest.raises(UnknownModel):
        state.served(found, "x")
    state.write("http://127.0.0.1:8", 8, Path("k"), MODELS)
    with pytest.raises(EngineError, match="Several"):
        state.the_one()
    assert state.the_one(8).port == 8
    with pytest.raises(EngineError, match="on port 9"):
        state.the_one(9)


def test_what_a_dead_gateway_left_is_removed() -> None:
    path = state.write("http://127.0.0.1:7", 7, Path("k"), MODELS)
    path.write_bytes(path.read_bytes().replace(str(os.getpid()).encode(), b"99999999"))
    broken = path.with_name("8.json")
    broken.write_text("{")
    assert state.running() == []
    assert not path.exists()
    assert not broken.exists()
