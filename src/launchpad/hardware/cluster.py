"""Several machines as one: what joins them, and how a cluster is described for `--on`.

    cluster = N "nodes" "of" machine [ "over" rate ]     "2 nodes of 8x H100 80GB + 2TB over 50GB/s"

or a file with `[[nodes]]`, each with `machine = "words as for --on"` or the tables of a machine's own file:

    name = "rack 7"
    interconnect = "50GB/s"         # between two nodes; optional

    [[nodes]]
    machine = "8x H100 80GB + 2TB"
    count = 2                       # such nodes; one, where it has an address
    address = "10.0.0.1"            # optional

or with `[[hosts]]` that are there, each with its address, its GPUs and maybe its main memory:

    [[hosts]]
    address = "10.0.0.1"
    gpus = "8x H100 80GB"
    memory = "2TB"

or with `ray = "ray://HEAD"`, a live cluster whose `interconnect` this file tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.hardware.machine import Cluster, Fact, Machine, Node
from launchpad.sizes import parse_rate

MOST_NODES = 64
_WORDS = re.compile(
    r"\s*(?P<count>\d{1,3})\s*(?:x\s*)?(?:nodes?|machines?|servers?|computers?|hosts?)\s+(?:of|with|each)\s+"
    r"(?P<machine>.+?)(?:\s+over\s+(?P<rate>[\d.]+\s*[a-z/]+))?\s*",
    re.IGNORECASE,
)


def described(text: str) -> tuple[int, str, float | None] | None:
    """(nodes, the words for one of them, bytes/s between two); None when the words describe a single machine."""
    match = _WORDS.fullmatch(text)
    if match is None:
        return None
    count = int(match["count"])
    if not 1 <= count <= MOST_NODES:
        raise UsageError(f"'{text}' is no cluster.", why=f"It can have 1 to {MOST_NODES} nodes.")
    return count, match["machine"], None if match["rate"] is None else parse_rate(match["rate"])


def clustered(
    name: str,
    machines: Sequence[Machine],
    *,
    addresses: Sequence[str | None] = (),
    interconnect: float | None = None,
    said: str = "the description",
) -> Machine:
    """The first of `machines`, as the head of a cluster of all of them."""
    reached = [*addresses, *[None] * (len(machines) - len(addresses))]
    nodes = tuple(
        Node(
            name=address or f"node-{number}",
            address=address,
            memory=machine.memory,
            accelerators=machine.accelerators,
        )
        for number, (machine, address) in enumerate(zip(machines, reached, strict=True), 1)
    )
    head = machines[0]
    return replace(
        head,
        name=name,
        cluster=Cluster(nodes=nodes, interconnect=interconnect),
        facts=(*head.facts, *_facts(nodes, interconnect, said)),
    )


def _facts(nodes: Iterable[Node], interconnect: float | None, said: str) -> Iterable[Fact]:
    for number, node in enumerate(nodes):
        cards = ", ".join(card.name for card in node.accelerators) or "no accelerator"
        yield Fact(subject=f"cluster.nodes.{number}", value=f"{node.name}: {cards}", evidence=said)
    if interconnect is not None:
        yield Fact(subject="cluster.interconnect", value=str(interconnect), evidence=said)
