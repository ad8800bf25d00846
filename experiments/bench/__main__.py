"""`python -m experiments.bench [only=NAME,...] [repeats=5] [output_dir=outputs]`: the table, and `benchmarks.json`."""

import datetime
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from experiments.bench import commands, end_to_end, nll, overhead, packs, stream
from experiments.bench.machine import machine, versions
from experiments.bench.races import race
from experiments.bench.rows import Row, table
from vaex._check import VaexError, one_of, whole
from vaex.training.files import write_json

Case = Callable[[int, Path], tuple[list[Row], dict[str, Any]]]

CASES: dict[str, Case] = {
    "digits": partial(race, "digits"),
    "fashion_mnist": partial(race, "fashion_mnist"),
    "startup": commands.startup,
    "logging": commands.logging,
    "memory": commands.memory,
    "pack": packs.pack,
    "sweep": end_to_end.sweep,
    "overhead": overhead.overhead,
    "nll": nll.nll,
    "stream": stream.stream,
}


def arguments(words: list[str]) -> tuple[tuple[str, ...], int, Path]:
    """Returns the cases, the repeats and the output folder.

    Raises:
        VaexError: for anything else.
    """
    given = {"only": ",".join(CASES), "repeats": "5", "output_dir": "outputs"}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise VaexError(f"expected KEY=VALUE, got {word!r}; for example only=digits repeats=1")
        one_of("key", key, given)
        given[key] = value
    cases = tuple(given["only"].split(","))
    for case in cases:
        one_of("only", case, CASES)
    whole("repeats", int(given["repeats"]) if given["repeats"].isdecimal() else given["repeats"])
    return cases, int(given["repeats"]), Path(given["output_dir"])


def bench(cases: tuple[str, ...], repeats: int, output: Path) -> list[Row]:
    """Returns the rows of the cases, after writing them with the raw numbers to `benchmarks.json`."""
    output.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "repeats": repeats,
    }
    rows, raw = [], {}
    with tempfile.TemporaryDirectory(prefix="vaex-bench-") as scratch:
        for name in cases:
            print(name, file=sys.stderr, flush=True)
            found, raw[name] = CASES[name](repeats, Path(scratch))
            rows += found
    content |= {"rows": [row.as_dict() for row in rows], "raw": raw}
    write_json(output / "benchmarks.json", content)
    return rows


def main(words: list[str]) -> int:
    """Returns the exit status: 0 also where a goal was missed or a rival not measured; 1 after a mistake."""
    try:
        cases, repeats, output = arguments(words)
        print(table(bench(cases, repeats, output)))
    except VaexError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"cannot write to {error.filename}: {error.strerror}; type output_dir=FOLDER", file=sys.stderr)
        return 1
    print(f"medians of {repeats}, ours / rival; raw numbers: {output / 'benchmarks.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
