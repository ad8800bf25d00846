"""One member's numbers are the same alone and in every pack, for every objective and penalty."""

import json

import jax
import jaxtyping
import numpy as np
import pytest

import vaex.objectives
import vaex.objectives.penalties
from vaex.data import Array
from vaex.likelihoods import Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import (
    CIWAE,
    ELBO,
    GECO,
    IWAE,
    MIWAE,
    PIWAE,
    Capacity,
    FreeBits,
    PIControl,
    Renyi,
    TargetRate,
    dip_vae,
    info_vae,
    tc_vae,
    wae_mmd,
)
from vaex.optimizers import SGD
from vaex.training import Job, Recipe, StopFlag, Trainer
from vaex.training.loop import fit
from vaex.training.members import Loop, Vmap
from vaex.training.pack import Pack
from vaex.training.run import run_pack

# By name, the member that is compared and a neighbour of other numbers.
TABLE = {
    "ELBO": (ELBO(), ELBO(beta=4.0)),
    "IWAE": (IWAE(num_samples=2), IWAE(num_samples=2)),
    "Renyi": (Renyi(num_samples=2), Renyi(num_samples=2, alpha=-1.0)),
    "CIWAE": (CIWAE(num_samples=2), CIWAE(num_samples=2, mix=0.1)),
    "MIWAE": (MIWAE(num_samples=2, num_groups=2), MIWAE(num_samples=2, num_groups=2)),
    "PIWAE": (PIWAE(num_samples=2, num_groups=2), PIWAE(num_samples=2, num_groups=2)),
    "FreeBits": (FreeBits(free=0.3), FreeBits(free=0.5, beta=2.0)),
    "Capacity": (Capacity(capacity=1.0, gamma=2.0), Capacity(capacity=2.0, gamma=3.0)),
    "GECO": (GECO(target=8.0), GECO(target=9.0)),
    "TargetRate": (TargetRate(target=1.0), TargetRate(target=2.0)),
    "PIControl": (PIControl(target=1.0), PIControl(target=2.0)),
    "tc_vae": (tc_vae(), tc_vae(total_correlation=2.0)),
    "dip_vae": (dip_vae(), dip_vae(diagonal=3.0)),
    "info_vae": (info_vae(), info_vae(alpha=0.5)),
    "wae_mmd": (wae_mmd(), wae_mmd(weight=20.0)),
}
HELD_BY = {"TotalCorrelation": "tc_vae", "DIP": "dip_vae", "MMD": "wae_mmd", "NoPenalty": "ELBO"}  # penalties
DEVICE = jax.devices()[:1]  # one program each; that devices change no bit is held by test_pack.py


def test_every_objective_and_penalty_is_in_the_table():
    public = {name: getattr(vaex.objectives, name) for name in vaex.objectives.__all__}
    parts = {name for name, one in public.items() if hasattr(one, "num_draws") and name != "Objective"}
    presets = {name for name, one in public.items() if getattr(one, "__annotations__", {}).get("return") is ELBO}
    assert parts | presets == set(TABLE)
    assert set(vaex.objectives.penalties.__all__) - {"Penalty"} == set(HELD_BY)
    for penalty, name in HELD_BY.items():
        assert type(TABLE[name][0].penalty).__name__ == penalty


@pytest.fixture(autouse=True)
def _types_unchecked(monkeypatch):
    """Every other test checks the types of these parts; here it would double the tracing of a hundred programs."""
    monkeypatch.setattr("tests.typecheck", lambda function: function)
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """40 training and 21 test examples, so that blocks of 16 are 2, the last filled up."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("packs") / "x.npz"
    x = 0.4 * rng.normal(size=(61, 3)) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(61, 6))
    np.savez(path, train=x[:40], test=x[40:])
    return Array(path=str(path)).load(Gaussian())


def recipes(pair, num):
    model = VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=0.7), 2, (6,))
    about = {"num_steps": 20, "batch_size": 16, "eval_every": 100, "log_every": 100}
    return [Recipe(model, pair[m % 2], SGD(learning_rate=1e-3 * (1 + m % 3)), seed=m, **about) for m in range(num)]


def numbers(pair, data, strategy, num):
    """The first member's: what stands in a row, and under `loop` also all else that a summary is made of."""
    pack = Pack(recipes(pair, num), data, strategy(num, DEVICE))
    states = fit(pack, steps_per_call=20).states
    terms = pack.terms(states, "test", 20)[0]
    if strategy is Vmap:
        return terms, []
    return terms, jax.tree.leaves([pack.estimates(states, "test", 4)[0], pack.decompositions(states, "test")[0]])


@pytest.mark.parametrize("name", TABLE)
def test_a_members_numbers_are_the_same_in_every_pack(name, data):
    terms, more = numbers(TABLE[name], data, Loop, 1)
    assert all(np.isfinite(value).all() for value in (*terms.values(), *more))
    for num in (2, 20, 64):
        found, others = numbers(TABLE[name], data, Loop, num)
        assert found == terms, num
        assert all(np.array_equal(a, b) for a, b in zip(others, more, strict=True)), num
    for num in (2, 12, 64) if TABLE[name][0].of_batch else (2, 12):
        found, _ = numbers(TABLE[name], data, Vmap, num)
        assert found == pytest.approx(terms, rel=2e-4), num  # the issue's; sums in another order over 20 steps


def summaries(data, folder, strategy, num):
    """What stands in the first member's `summary.json`, but for times and the pack's size."""
    jobs = [
        Job(recipe, data, Trainer(), folder / f"{strategy}-{num}-{m}", nll_num_samples=4, group="sweep")
        for m, recipe in enumerate(recipes(TABLE["tc_vae"], num))
    ]
    for job in jobs:
        job.folder.mkdir()
    run_pack(jobs, StopFlag(), strategy=strategy)
    found = json.loads((jobs[0].folder / "summary.json").read_text())
    return {k: v for k, v in found.items() if k != "pack_size" and "second" not in k}


def test_a_summary_is_the_same_alone_and_in_packs(data, tmp_path):
    alone = summaries(data, tmp_path, "loop", 1)
    assert alone["status"] == "completed"
    assert alone["block_size"] == 16
    for num in (2, 20):
        assert summaries(data, tmp_path, "loop", num) == alone
    found = summaries(data, tmp_path, "vmap", 2)
    assert found.keys() == alone.keys()
    numbers = {k for k, v in alone.items() if isinstance(v, float)}
    for key in numbers:
        assert found[key] == pytest.approx(alone[key], rel=2e-4), key
    assert all(found[key] == alone[key] for key in alone.keys() - numbers - {"monitor"})
