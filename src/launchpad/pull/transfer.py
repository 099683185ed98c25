"""Fetching one payload: one address after the other, and never believe what arrives."""

from __future__ import annotations

from launchpad.errors import LaunchpadError, PullError, VerifyError
from launchpad.pull.address import Address, BrokenRange
from launchpad.pull.crew import Crew
from launchpad.pull.http import Unfit
from launchpad.pull.job import Job
from launchpad.pull.names import quote
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial

_PIECES_EACH = 8  # of a file, for each connection that it gets


def fetch(file: Partial, job: Job) -> None:
    """Complete `file` with verified bytes, and sync it.

    Each address gets two chances to deliver the right content, the second from byte 0. Raises `VerifyError` when all
    content was wrong, else the error of the last address.
    """
    urls = file.payload.urls
    failed: LaunchpadError | None = None
    if file.complete and _verified(file):
        return
    for number, url in enumerate(urls):
        error = _try_address(file, job, url, last=number == len(urls) - 1)
        if error is None:
            file.sync()
            return
        # That some address delivered wrong bytes says more than that another was silent.
        failed = failed if isinstance(failed, VerifyError) and not isinstance(error, VerifyError) else error
        if number < len(urls) - 1:
            job.progress.notice(f"{error.what} Trying the next address.")
    raise failed or PullError(
        f"There is no address for {quote(file.payload.label)}.",
        why="The source resolved it without one.",
        hint="Report this to the author of the source plugin.",
    )


def fetch_unjudged(file: Partial, job: Job, etag: str) -> str:
    """Complete `file` with what its address has under this strong ETag, sync it, and return its hash.

    Raises what ended the transfer; what came before is kept and stays right.
    """
    address = Address(file.payload.urls[0], file.payload, job, only=etag)
    try:
        digest = _complete(file, job, address)
    except Unfit as unfit:
        raise unfit.error from unfit.__cause__
    except BrokenRange as broken:
        file.reset()
        raise address.wrong(broken.fault) from broken
    file.sync()
    return digest


def _verified(file: Partial) -> bool:
    digest = file.hexdigest()
    if digest == file.payload.key:
        file.sync()
        return True
    if digest is not None:  # else only parts of it are damaged, and known
        file.reset()
    return False


def _try_address(file: Partial, job: Job, url: str, *, last: bool) -> LaunchpadError | None:
    """Return None when `file` is complete and right, else what is wrong with this address."""
    error: LaunchpadError | None = None
    address = Address(url, file.payload, job)
    for _ in range(2):
        try:
            digest = _complete(file, job, address)
        except Unfit as unfit:
            return unfit.error
        except BrokenRange as broken:
            error = address.wrong(broken.fault)
            if not last:
                return error  # keep the partial: the next address may continue it
            file.reset()
            continue
        if digest == file.payload.key:
            return None
        error = address.wrong(f"the sha256 differs: {digest} came, {file.payload.key} was promised")
        job.progress.notice(f"{error.what} Starting again from the first byte.")
        file.reset()
    return error


def _complete(file: Partial, job: Job, address: Address) -> str:
    """Bring what is missing, with new connections as needed, and return the digest of the whole.

    Raises `Unfit` when the address does not get on, `BrokenRange` when it cannot continue what is here.
    """
    most, repaired = connections(file.payload.size, job.options), 0
    while True:
        try:
            Crew(file, job, address, most).run()
        except BrokenRange:
            if most == 1:
                raise
            most = 1  # it may still be able to send what is missing in one go
            continue
        if (digest := file.hexdigest()) is not None:
            return digest
        if file.damaged > repaired:
            job.progress.notice(
                f"{file.damaged - repaired} pieces of {file.payload.label} were damaged on the disk; fetched again."
            )
            repaired = file.damaged


def connections(size: int | None, options: PullOptions) -> int:
    """How many connections a file of `size` bytes may have: few enough that what all hold unwritten is below 1 %."""
    return max(1, min(options.connections, (size or 0) // (_PIECES_EACH * options.piece_size)))
