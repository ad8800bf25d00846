"""Terms that are not means over examples: on which blocks they are evaluated, and with which noise."""

import jax
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array
from vaex.likelihoods import Gaussian, OptimalGaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import ELBO, FreeBits, dip_vae, tc_vae, wae_mmd
from vaex.optimizers import Adam
from vaex.training import Recipe, evaluate, train
from vaex.training.evaluate import blocks
from vaex.training.members import Vmap
from vaex.training.pack import Pack
from vaex.training.streams import SPLITS, stream

B, NUM, SEEDS = 64, 640, 48


@pytest.mark.parametrize(
    ("num", "size", "expected"),
    [(65, 64, (2, 64)), (64, 64, (1, 64)), (40, 64, (1, 40)), (7, 3, (3, 3)), (5, 1, (5, 1))],
)
def test_blocks_are_of_one_size_and_cover_a_split_once(num, size, expected):
    found = list(blocks(num, size))
    assert (len(found), len(found[0][0])) == expected
    index, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    assert sorted(index[weights == 1]) == list(range(num))
    assert weights.sum() == num
    assert not num > 3 or list(index[:num]) != sorted(index[:num])  # not in the split's order, which may be sorted
    assert list(index[num:]) == list(index[: len(index) - num])  # filled up from the permutation's start
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(found, blocks(num, size), strict=True))


@pytest.fixture(scope="module")
def sorted_and_shuffled(tmp_path_factory):
    """A data set of two classes whose test split is sorted by class, and the same one shuffled."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("classes")
    test = 0.5 * rng.normal(size=(NUM, 6)) + np.repeat([[-1.0], [1.0]], NUM // 2, axis=0)
    found = []
    for name, order in (("sorted", np.arange(NUM)), ("shuffled", rng.permutation(NUM))):
        np.savez(folder / f"{name}.npz", train=test[::7], test=test[order])
        found.append(Array(path=str(folder / f"{name}.npz")).load(Gaussian()))
    return found


def recipe(seed, num_steps=500):
    model = VAE(encoders.Linear(), decoders.Linear(), Gaussian(scale=0.3), 2, (6,))
    about = {"num_steps": num_steps, "eval_every": 1000, "log_every": 1000}
    return Recipe(model, wae_mmd(), Adam(learning_rate=0.01), batch_size=B, seed=seed, **about)


@pytest.fixture(scope="module")
def trained(sorted_and_shuffled):
    """Parameters whose codes of all examples are close to the prior; those of one class are not."""
    return train(recipe(0), sorted_and_shuffled[1]).params


def packs(data, params):
    """One state under many seeds of the evaluation's noise."""
    pack = Pack([recipe(seed) for seed in range(SEEDS)], data, Vmap(SEEDS, jax.devices()[:1]))
    return pack, pack.scatter([pack.gather(pack.init())[0]._replace(params=params)] * SEEDS)


def test_a_sorted_split_has_the_terms_of_a_shuffled_one(sorted_and_shuffled, trained):
    found = []
    for data in sorted_and_shuffled:
        pack, states = packs(data, trained)
        found.append([terms["mmd"] for terms in pack.terms(states, "test", 0)])
    difference = np.mean(found[0]) - np.mean(found[1])
    assert abs(difference) < 4 * np.hypot(*(np.std(f, ddof=1) for f in found))  # of one evaluation
    # A block in the sorted split's own order is of one class: another number altogether.
    pack, states = packs(sorted_and_shuffled[0], trained)
    of_one_class = np.mean([one["mmd"] for one in terms_of(pack, states, np.arange(B, dtype=np.int32), 0)])
    assert of_one_class - np.mean(found[1]) > 20 * np.std(found[1])


def terms_of(pack, states, index, batch):
    about = (pack.recipes, states, pack.preparation, np.int32(0), pack.splits["test"], index, np.ones(B, np.float32))
    return pack.members.gather(
        pack.members(
            evaluate.terms_sum,
            *about,
            np.int32(0),
            np.int32(batch),
            num_train=len(pack.data.train),
            products=pack.products,
        )
    )


def test_every_block_has_a_key_of_its_own(sorted_and_shuffled, trained):
    """With one key for all ten blocks, their draws of the prior are the same, and the mean is as noisy as one."""
    pack, states = packs(sorted_and_shuffled[1], trained)
    own = [terms["mmd"] for terms in pack.terms(states, "test", 0)]
    same = [[float(m["mmd"]) for m in terms_of(pack, states, index, 0)] for index, _ in blocks(NUM, B)]
    assert np.std(own) < 0.7 * np.std(np.mean(same, axis=0))


@pytest.mark.parametrize("objective", [FreeBits(free=0.3), tc_vae(), wae_mmd(), dip_vae()])
def test_plain_terms_count_every_example_once(vectors, make_recipe, objective):
    """50 examples in blocks of 15 are 60 places, of which 10 are filled up."""
    pack = Pack([make_recipe(objective, batch_size=15)], vectors)
    (found,) = pack.terms(pack.init(), "test", 0)
    (plain,) = Pack([make_recipe(batch_size=15)], vectors).terms(pack.init(), "test", 0)
    for name in ("elbo", "rate", "distortion"):
        assert found[name] == pytest.approx(plain[name], rel=1e-6)  # sums in another order
    assert found["block_size"] == 15
    assert "block_size" not in plain
    # The rest is the mean of the blocks, each weighing the same: the loss holds the repeated examples twice.
    own = Pack([make_recipe(objective, batch_size=50)], vectors).terms(pack.init(), "test", 0)[0]
    assert own["loss"] != found["loss"]


def test_splits_share_no_noise_and_tests_is_as_before(tmp_path, make_recipe, ppca_x):
    """Validation and test hold the same examples here, and get other draws."""
    x = ppca_x.astype(np.float32)
    np.savez(tmp_path / "x.npz", train=x, test=x, validation=x)
    data = Array(path=str(tmp_path / "x.npz")).load(Gaussian())
    pack = Pack([make_recipe()], data)
    states = pack.init()
    (test,), (validation,) = (pack.terms(states, split, 0) for split in SPLITS)
    assert test["rate"] == pytest.approx(validation["rate"], rel=1e-6)  # exact, whatever the draws
    assert test["distortion"] != validation["distortion"]
    ((a, _),), ((b, _),) = (pack.estimates(states, split, 4) for split in SPLITS)
    assert not np.isclose(a.distortion, b.distortion, rtol=1e-6).any()
    (c,), (d,) = (pack.decompositions(states, split) for split in SPLITS)
    assert not np.isclose(c.mutual_information, d.mutual_information, rtol=1e-6).any()
    before = jax.random.fold_in(jax.random.key(5), 2)  # the third stream
    assert np.array_equal(*(jax.random.key_data(key) for key in (stream(5, "evaluation"), before)))


@pytest.mark.parametrize("every", [2, 5, 20])
def test_the_optimal_noise_is_that_of_the_steps_loss(vectors, make_recipe, every):
    """-log p at the optimal scale is D/2 log(2 pi e s^2): so the logged distortion says which s was in it."""
    recipe = make_recipe(likelihood=OptimalGaussian(), log_every=1, eval_every=every)
    rows = [values for _, split, values in train(recipe, vectors).history if split == "train"]
    implied = [np.exp(row["distortion"] / 6 - 0.5 * np.log(2 * np.pi * np.e)) for row in rows]
    np.testing.assert_allclose([row["observation_noise"] for row in rows], implied, rtol=1e-5)  # float32
    assert len(rows) == 20


@pytest.mark.parametrize("objective", [tc_vae(), dip_vae(), wae_mmd()])
def test_one_example_cannot_be_compared(vectors, make_recipe, tmp_path, objective):
    with pytest.raises(VaexError, match=r"trainer\.batch_size=64"):
        make_recipe(objective, batch_size=1)
    make_recipe(FreeBits(), batch_size=1)
    make_recipe(ELBO(), batch_size=1)
    x = np.asarray(vectors.test)
    for name in ("train", "validation", "test"):
        np.savez(tmp_path / "x.npz", **({"train": x, "validation": x, "test": x} | {name: x[:1]}))
        data = Array(path=str(tmp_path / "x.npz")).load(Gaussian())
        with pytest.raises(VaexError, match=f"its {name} split: .* got 1; type objective=elbo"):
            train(make_recipe(objective), data)
