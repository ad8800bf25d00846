"""`python -m experiments.convert NAME beta=... num_dims=...`: another system's beta as a line to type here."""

import sys
from collections.abc import Sequence

from vaex._check import VaexError, did_you_mean
from vaex.conventions import CONVENTIONS, convert

_USAGE = "python -m experiments.convert disent_mse beta=0.0316 num_dims=12288 latent_dim=25"


def table() -> str:
    """Returns all conventions, a line each."""
    width = max(map(len, CONVENTIONS))
    lines = [f"{name:<{width}}  {c.loss:<32}  {c.system}" for name, c in CONVENTIONS.items()]
    return "\n".join([*lines, "", f"for example: {_USAGE}"])


def answer(words: Sequence[str]) -> str:
    """Returns the answer to a command's words.

    Raises:
        VaexError: for a word that means nothing.
    """
    name, *settings = words
    given: dict[str, float] = {}
    for word in settings:
        key, equals, value = word.partition("=")
        known = ("beta", "num_dims", "latent_dim", "channels")
        if not equals or key not in known:
            raise VaexError(
                f"expected {', '.join(f'{k}=NUMBER' for k in known)}; got {word!r}{did_you_mean(key, known)}"
            )
        try:
            given[key] = float(value) if key == "beta" else int(value)
        except ValueError:
            kind = "number" if key == "beta" else "whole number"
            raise VaexError(f"{key}: expected a {kind}, got {value!r}") from None
    found = convert(name, given.pop("beta", None), **given)  # type: ignore[arg-type]
    lines = [found.line, f"effective beta at noise of scale 1: {found.effective_beta:.6g}"]
    if found.observation_noise is not None:
        lines.append(f"implied observation noise: {found.observation_noise:.6g}")
    return "\n".join([*lines, *([f"note: {found.note}"] if found.note else [])])


def main(words: Sequence[str] | None = None) -> int:
    """Prints the table, or one conversion; returns the exit status."""
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help"):
        print(table())
        return 0
    try:
        print(answer(words))
    except VaexError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
