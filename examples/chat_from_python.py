"""A conversation from Python: history, JSON by schema, streaming. Takes a model as its argument, if any.

python examples/chat_from_python.py qwen3-4b
"""

from __future__ import annotations

import sys

from launchpad import Chat


def main(model: str | None) -> None:
    with Chat(model, temperature=0, max_tokens=100) as chat:
        print(chat.ask("Name three rivers of Europe."))
        rivers = chat.ask("As JSON.", schema={"type": "array", "items": {"type": "string"}, "maxItems": 3})
        print(rivers.json)
        for piece in chat.stream("And one lake?"):
            print(piece, end="", flush=True)
        print()
    if chat.last is not None:
        print(f"{chat.last.tokens_per_second or 0:.0f} tokens/s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
