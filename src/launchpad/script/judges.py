"""The judges that GitHub's prompt files name by `uses: github/…`, with prompts of our own. PURE.

Each is asked for one digit from 1 to 5, in the same reading of the scale (1 is worst) and with the same scores.
"""

from __future__ import annotations

from launchpad.script.model import Choice, Judge

_STARS = tuple(Choice(str(stars), (stars - 1) / 4) for stars in range(1, 6))
_SYSTEM = (
    "You grade an answer on one criterion. Reply with a single digit from 1 (not at all) to 5 (completely) and "
    "nothing else."
)


def _judge(criterion: str, *parts: tuple[str, str]) -> Judge:
    body = "\n\n".join(f"<{tag}>\n{{{{{name}}}}}\n</{tag}>" for tag, name in parts)
    return Judge(prompt=f"{criterion}\n\n{body}\n\nGrade (1 to 5):", choices=_STARS, system=_SYSTEM)


_QUESTION, _ANSWER = ("question", "input"), ("answer", "completion")
BUILT_IN = {
    "github/similarity": _judge(
        "Does the answer say the same as the expected answer?", _QUESTION, ("expected", "expected"), _ANSWER
    ),
    "github/coherence": _judge(
        "Do the sentences of the answer follow from each other and form one whole?", _QUESTION, _ANSWER
    ),
    "github/fluency": _judge("Is the answer well-formed, natural language?", _QUESTION, _ANSWER),
    "github/relevance": _judge(
        "Does the answer address the main points of the question?", _QUESTION, _ANSWER
    ),
    "github/groundedness": _judge(
        "Does everything in the answer follow from the context?", ("context", "context"), _ANSWER
    ),
}
