from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import UsageError
from launchpad.script.variables import expand, expand_all, names_in


@pytest.mark.parametrize(
    ("text", "values", "meant"),
    [
        ("Hi {{name}}!", {"name": "Ann"}, "Hi Ann!"),
        ("{{ name }}", {"name": "Ann"}, "Ann"),
        ("{{other}} {x} {{}} {{ a b }}", {"name": "Ann"}, "{{other}} {x} {{}} {{ a b }}"),
        ("{{n}} {{t}} {{f}} {{z}}", {"n": 2, "t": True, "f": 1.5, "z": None}, "2 true 1.5 "),
        ("{{a.b}} {{a.c.1}}", {"a": '{"b": "x", "c": [1, {"d": 2}]}'}, 'x {"d": 2}'),
        ("{{a}}", {"a": "{{b}}", "b": "never"}, "{{b}}"),
        ("{{{a}}}", {"a": "x"}, "{x}"),
    ],
)
def test_only_declared_names_are_replaced_and_only_once(
    text: str, values: dict[str, object], meant: str
) -> None:
    assert expand(text, values) == meant


@pytest.mark.parametrize("text", ["{{a.b}}", "{{a.x}}", "{{j.9}}", "{{j.x}}"])
def test_a_field_that_is_not_there_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="has no value"):
        expand(text, {"a": "not json", "j": "[1]"})


def test_values_in_checks() -> None:
    assert expand_all({"to": "{{x}}", "min": 1, "l": ["{{x}}"]}, {"x": "y"}) == {
        "to": "y",
        "min": 1,
        "l": ["y"],
    }


def test_names() -> None:
    assert names_in(["{{a}} {{b.c}} {{ d }}", "{e}"]) == {"a", "b", "d"}


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_value_can_reach_another_variable(before: str, value: str) -> None:
    found = expand("[{{v}}]", {"v": value, "secret": "S3CRET"})
    assert found == f"[{value}]"
    assert "S3CRET" not in found or "S3CRET" in value
