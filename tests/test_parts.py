"""docs/parts.md says what the docstrings say; every part has a formula and a test, and a method its paper."""

import pytest

from experiments.parts import GROUPS, PAGE, page, rows


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m experiments.parts"


@pytest.mark.parametrize("group", GROUPS)
def test_every_part_is_described_and_held(group: str) -> None:
    found = rows(group)
    assert found
    for row in found:
        assert row.formula, row.name
        assert row.test, f"no test names {group}={row.name}"
        if group in ("likelihood", "objective", "penalty") and row.name not in ("none", "bernoulli", "gaussian", "mse"):
            assert row.papers or "20" in row.formula, f"{group}={row.name} names no paper"
