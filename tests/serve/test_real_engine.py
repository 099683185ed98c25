"""The gateway as its users meet it: the real command, llama.cpp with a small real model, and the vendors' own clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import anthropic
import openai
import pytest

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    # What a client's own dependency does is not ours to mend.
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

SYSTEM = "You are a helpful assistant."  # with its own default the small model sings the Marseillaise
ASKED = [{"role": "user", "content": "What is the capital of France?"}]
QUESTION = [{"role": "system", "content": SYSTEM}, *ASKED]


class Place:
    """A running gateway."""

    def __init__(self, url: str, key: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.key = key
        self.process = process

    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=150)

    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            base_url=self.url, auth_token=self.key, api_key=None, max_retries=0, timeout=150
        )

    def metrics(self) -> str:
        request = Request(f"{self.url}/metrics", headers={"x-api-key": self.key})
        with urlopen(request, timeout=150) as answer:
            return str(answer.read().decode())


def embedder(model: Path, path: Path) -> Path:
    """The same weights as a model of vectors: its header says how to make one of many tokens.

    What is put in is as long as two alignments, so that no offset in the file changes.
    """
    pooling = string("llama.pooling_type") + (4).to_bytes(4, "little") + (1).to_bytes(4, "little")
    filler = string("x.pad") + (8).to_bytes(4, "little") + string("12345")
    assert len(pooling + filler) % 32 == 0
    content = model.read_bytes()
    count = int.from_bytes(content[16:24], "little") + 2
    path.write_bytes(content[:16] + count.to_bytes(8, "little") + pooling + filler + content[24:])
    return path


def string(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


@pytest.fixture(scope="module")
def place(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("serve")
    twin = home / "twin.gguf"
    twin.symlink_to(smollm2)
    vectors = embedder(smollm2, home / "vectors.gguf")
    process = subprocess.Popen(
        [sys.executable, "-m", "launchpad", "serve", str(smollm2), str(twin), str(vectors), "--offline", "--port", "0",
         "--context", "2048", "--parallel", "2"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "LAUNCHPAD_HOME": str(home / "launchpad")},
    )  # fmt: skip
    assert process.stderr is not None
    seen = ""
    while "ready: " not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    key = Path(seen.rpartition("key in ")[2].partition(" · ")[0]).read_text().strip()
    drain = threading.Thread(target=process.stderr.read)  # a full pipe would stop it
    drain.start()
    yield Place(seen.rpartition("ready: ")[2].split()[0].removesuffix("/v1"), key, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(150) == 143
    drain.join()
    process.stderr.close()


def test_openais_client(place: Place) -> None:
    with place.openai() as client:
        names = [model.id for model in client.models.list()]
        assert len(names) == 3
        parameters = client.models.retrieve("auto").model_dump()["meta"]["n_params"]
        assert (parameters, type(parameters)) == (134_515_008, int)
        whole = client.chat.completions.create(model="auto", messages=QUESTION, temperature=0)
        assert "Paris" in (whole.choices[0].message.content or "")
        text = ""
        with client.chat.completions.create(
            model=names[0],
            messages=QUESTION,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            for chunk in stream:
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert text == whole.choices[0].message.content
        assert chunk.usage is not None
        assert (
            client.completions.create(
                model="auto", prompt="Paris is the capital of", max_tokens=3, temperature=0
            )
            .choices[0]
            .text
        )
        answer = client.responses.create(
            model="auto", instructions=SYSTEM, input=ASKED, temperature=0, max_output_tokens=20
        )
        assert "Paris" in answer.output_text
        kinds = [
            event.type
            for event in client.responses.create(model="auto", input="Hi", max_output_tokens=4, stream=True)
        ]
        assert kinds[-1] == "response.incomplete"  # llama.cpp itself says completed
        brief = client.responses.create(model="auto", input="Hi", max_output_tokens=4)
        assert (brief.status, brief.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert answer.status == "completed"


def test_anthropics_client(place: Place) -> None:
    asked: dict[str, Any] = {"model": "auto", "system": SYSTEM, "messages": ASKED}
    greedy = {"max_tokens": 20, "extra_body": {"temperature": 0}}
    with place.anthropic() as client:
        assert client.models.list().data[0].id
        whole = client.messages.create(**asked, **greedy)
        assert "Paris" in whole.content[0].text
        with client.messages.stream(**asked, **greedy) as stream:
            assert "Paris" in "".join(stream.text_stream)
        assert client.messages.count_tokens(**asked).input_tokens > 5


def test_errors_as_their_clients_know_them(place: Place) -> None:
    long = [{"role": "user", "content": "word " * 3000}]
    with place.openai() as client:
        with pytest.raises(openai.BadRequestError) as too_long:
            client.chat.completions.create(model="auto", messages=long, stream=True)
        assert too_long.value.code == "context_length_exceeded"
        assert "1024" in too_long.value.message  # two conversations share 2048
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-5", messages=QUESTION)
        with pytest.raises(openai.BadRequestError, match="n_discard"):
            client.chat.completions.create(model="auto", messages=QUESTION, extra_body={"n_discard": -1})
        with pytest.raises(openai.APIStatusError) as missing:
            client.embeddings.create(model="auto", input="x")
        assert missing.value.status_code == 501
    with place.anthropic() as client, pytest.raises(anthropic.BadRequestError, match="prompt is too long: 3"):
        client.messages.create(model="auto", max_tokens=1, messages=long)
    wrong = openai.OpenAI(base_url=f"{place.url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()


def test_a_tool_and_a_schema_reach_the_engine(place: Place) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    with place.openai() as client:
        whole = client.chat.completions.create(
            model="auto", messages=QUESTION, temperature=0, max_tokens=60,
            response_format={"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}},
        )  # fmt: skip
        assert '"city"' in (whole.choices[0].message.content or "")


def test_a_client_that_leaves_frees_its_slot(place: Place) -> None:
    with place.openai() as client:
        for _ in range(4):  # more than there are slots
            stream = client.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": "Tell me a very long story."}],
                stream=True,
            )
            next(iter(stream))
            stream.close()
        assert client.chat.completions.create(model="auto", messages=QUESTION, max_tokens=5).choices


def test_two_models_at_once_and_what_is_counted(place: Place) -> None:
    with place.openai() as client:
        for model in list(client.models.list())[:2]:
            assert (
                client.chat.completions.create(model=model.id, messages=QUESTION, max_tokens=3).model
                == model.id
            )
    assert place.metrics().count("launchpad_loads_total{") >= 2
    assert "launchpad_model_memory_bytes{" in place.metrics()


def test_vectors(place: Place) -> None:
    with place.openai() as client:
        made = client.embeddings.create(
            model="vectors", input=["a small cat", "a little cat", "tax law of 1923"]
        ).data
        cat, kitten, law = (one.embedding for one in made)
        assert len(cat) == 576
        assert near(cat, kitten) > near(cat, law)
        assert near(cat, cat) == pytest.approx(1, abs=1e-3)


def near(one: list[float], other: list[float]) -> float:
    """The cosine between two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))
