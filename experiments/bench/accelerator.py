"""Packs on an accelerator: `python -m experiments.bench.accelerator [platform=gpu] [products=all] [output_dir=DIR]`.

Prints how the members of a `vmap` pack scale against one run alone, and how much of the card that is, under every
`trainer.matmul_precision` and with networks of bfloat16, and writes `accelerator.json` anew after each line, so that
one which is stopped leaves what it had. It needs what `vaex` needs, and no network. With `platform=cpu` the networks
are tiny: there it shows that it works.
"""

import datetime
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

from experiments.bench.cards import card_of
from experiments.bench.machine import machine, versions
from experiments.bench.problem import Problem
from experiments.bench.rows import aligned
from experiments.bench.scaling import CHECKED, CHECKED_STEPS, HEAD, difference, points
from experiments.bench.synthetic import Synthetic
from experiments.bench.turns import say
from experiments.device import prepare_jax
from vaex._check import VaexError, one_of
from vaex.likelihoods import Bce
from vaex.training import precision
from vaex.training.files import write_json

MLP = Problem("784-400-20", hidden=(400,), latent_dim=20, batch_size=128, num_epochs=1)
CONV = Problem("conv", hidden=(), latent_dim=20, batch_size=128, num_epochs=1, channels=(32, 32, 64, 64))
COUNTS = (1, 4, 16, 64, 256)
TOLERANCE = 1e-5  # relative, of the first losses
BUDGET = 400.0  # seconds, after which no other count begins: 8 minutes with the last one

# What a recipe is told, and the card's rate for it: an NVIDIA card's own products of float32 are in TF32.
PRODUCTS = {
    "default": ({"matmul_precision": "default"}, "tf32"),
    "highest": ({"matmul_precision": "highest"}, "float32"),
    "tf32": ({"matmul_precision": "tf32"}, "tf32"),
    "bfloat16": ({"matmul_precision": "bfloat16"}, "bfloat16"),
    "networks": ({"precision": "bfloat16"}, "bfloat16"),
}


def arguments(words: Sequence[str]) -> dict[str, str]:
    """Returns the settings.

    Raises:
        VaexError: for anything else.
    """
    given = {"platform": "gpu", "products": "all", "output_dir": "outputs"}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise VaexError(f"expected KEY=VALUE, got {word!r}; for example platform=gpu")
        one_of("key", key, given)
        given[key] = value
    one_of("products", given["products"], ("all", *PRODUCTS))
    return given


def sizes(platform: str) -> tuple[tuple[Problem, ...], tuple[int, ...], Synthetic]:
    """Returns the networks, the counts of members, and the images."""
    if platform != "cpu":
        return (MLP, CONV), COUNTS, Synthetic(binarize="none")
    tiny = replace(MLP, hidden=(8,), batch_size=8), replace(CONV, channels=(2,), batch_size=8)
    return tiny, (1, 2), Synthetic(binarize="none", shape=(8, 8, 1))


def bench(device: Any, platform: str, chosen: Sequence[str], output: Path) -> bool:
    """Returns whether stacked members agree with single runs, after printing the table and writing the file."""
    start = time.monotonic()
    networks, counts, images = sizes(platform)
    card, loaded = card_of(device), images.load(Bce())
    output.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "device": device.device_kind,
        "card": asdict(card) if card else None,
        "refused": {},
        "differences": {},
        "points": [],
    }
    lines, agree = [HEAD], True
    for problem in networks:
        exact = difference(problem, loaded, device)
        agree = agree and exact <= TOLERANCE
        verdict = "yes" if exact <= TOLERANCE else "missed"
        what = f"first {CHECKED_STEPS} losses of {CHECKED} stacked members against single runs, float32 products"
        print(f"{problem.name}: {what}: {exact:.1e} relative (<= {TOLERANCE:g}: {verdict})", flush=True)
        content["differences"][problem.name] = exact
    taken = [name for name in chosen if _taken(name, content["refused"])]
    pairs = [(name, problem) for name in taken for problem in networks]
    for place, (name, problem) in enumerate(pairs, 1):
        how, rate = PRODUCTS[name]
        for point in points(problem, loaded, device, name, how, counts, start + BUDGET * place / len(pairs)):
            lines.append(point.cells(card, rate))
            content["points"].append(point.as_dict(card, rate))
            write_json(output / "accelerator.json", content)
            say(f"{name}, {point.members:4d} members: {point.reason or f'{point.rate:.4g} member-steps/s'}")
    print(aligned(lines, 2))
    return agree


def _taken(name: str, refused: dict[str, str]) -> bool:
    """Whether the device takes a precision; says so where it does not, or where it computes otherwise."""
    asked = PRODUCTS[name][0].get("matmul_precision", "default")
    try:
        precision.check_device("trainer.matmul_precision", asked, "default")
    except VaexError as error:
        refused[name] = str(error)
        print(f"not measured: {error}", flush=True)
    for note in precision.notes(asked, precision.REPORTED):
        print(note, flush=True)
    return name not in refused


def main(words: Sequence[str]) -> int:
    """Returns the exit status: 1 after a mistake or where stacked members disagree, 0 also where there is no device."""
    try:
        given = arguments(words)
    except VaexError as error:
        print(error, file=sys.stderr)
        return 1
    prepare_jax()  # what is compiled to be analysed is not compiled again to run
    try:
        device = jax.devices(given["platform"])[0]
    except RuntimeError:
        print(f"not measured: jax finds no {given['platform']} here (make setup EXTRA=cuda installs it for one)")
        return 0
    output = Path(given["output_dir"])
    chosen = list(PRODUCTS) if given["products"] == "all" else [given["products"]]
    agree = bench(device, given["platform"], chosen, output)
    print(f"{device.device_kind}, jax {jax.__version__}; {output / 'accelerator.json'}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
