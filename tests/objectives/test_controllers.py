"""Weights that move by themselves: what they reach on real data, and the beta that theory says they come to rest at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaex._check import VaexError
from vaex.data import Array, Digits
from vaex.distributions import Normal
from vaex.likelihoods import Bernoulli, Gaussian
from vaex.models import VAE, decoders, encoders
from vaex.objectives import GECO, Capacity, Context, Draws, FreeBits, Level, PIControl, TargetRate
from vaex.optimizers import Adam
from vaex.part import canonical
from vaex.schedules import Linear
from vaex.training import Recipe
from vaex.training.train import train_pack

WINDOW = 500  # steps at the end over which a controlled number is averaged


def at_the_end(result, key):
    """Means of a term and of beta over the last steps of training."""
    rows = [values for _, split, values in result.history if split == "train"][-WINDOW:]
    assert result.status == "completed"
    return np.mean([r[key] for r in rows]), np.mean([r["beta"] for r in rows])


@pytest.mark.parametrize(
    ("make", "targets", "key"),
    [
        (TargetRate, (3.0, 5.0, 8.0), "rate"),
        (PIControl, (3.0, 5.0, 8.0), "rate"),
        (GECO, (16.0, 18.5, 22.0), "distortion"),
    ],
)
def test_a_reachable_target_is_reached_on_digits(make, targets, key):
    data = Digits().load(Bernoulli())
    model = VAE(encoders.MLP(), decoders.MLP(), Bernoulli(), 8, (8, 8, 1))
    about = {"num_steps": 2000, "log_every": 1, "eval_every": 2000}
    results = train_pack(
        [Recipe(model, make(target=target), **about) for target in targets], data, devices=jax.devices()[:1]
    )
    betas = []
    for target, result in zip(targets, results, strict=True):
        found, beta = at_the_end(result, key)
        assert found == pytest.approx(target, rel=0.02)
        betas.append(beta)
    assert np.all(np.diff(betas) * (1 if key == "distortion" else -1) > 0)  # less rate takes more weight


# Reverse water-filling with s^2 = .1 on the known data: beta 2 and 4 have these rates, and distances D.
S2 = 0.1
KNOWN = {2.0: (2.06713025, 0.87441284), 4.0: (1.37398307, 1.27441284)}


@pytest.mark.parametrize("make", [TargetRate, PIControl, GECO])
def test_on_the_linear_model_beta_comes_to_rest_where_theory_has_it(make, ppca_file):
    likelihood = Gaussian(scale=S2**0.5)
    data = Array(path=str(ppca_file)).load(likelihood)
    model = VAE(encoders.Linear(), decoders.Linear(), likelihood, 5, (6,))

    def recipe(rate, distance):
        # distortion = D / (2 s^2) + 6/2 log(2 pi s^2)
        distortion = distance / (2 * S2) + 3 * np.log(2 * np.pi * S2)
        objective = make(target=distortion if make is GECO else rate, num_samples=16)
        about = {"num_steps": 8000, "batch_size": 50, "log_every": 1, "eval_every": 8000}
        return Recipe(model, objective, Adam(learning_rate=2e-3), **about)

    key = "distortion" if make is GECO else "rate"
    results = train_pack([recipe(*known) for known in KNOWN.values()], data, devices=jax.devices()[:1])
    for (expected, _), result in zip(KNOWN.items(), results, strict=True):
        found, beta = at_the_end(result, key)
        assert beta == pytest.approx(expected, rel=0.02)
        rows = [values for _, split, values in result.history if split == "train"]
        assert found == pytest.approx(rows[-1]["target"], rel=0.02)


def draws_with(rate, dist):
    """A batch of one whose rate and distortion are given."""
    q = Normal(jnp.zeros((1, 1)), jnp.zeros((1, 1)))
    one = jnp.zeros((1, 1))
    kl = jnp.reshape(jnp.float32(rate), (1, 1, 1))
    return Draws((Level(one[..., None], one, one, q, kl),), jnp.reshape(-jnp.float32(dist), (1, 1)))


def context(step=0, log_jacobian=0.0):
    prior = Normal(jnp.zeros(1), jnp.zeros(1))
    return Context(jnp.int32(step), 100, jax.random.key(0), prior, 1, jnp.ones(1), log_jacobian)


def overshoot(windup):
    """How far a rate exceeds its target of 4, relative: it stays near 0 at first, then settles to 8 / beta."""
    objective = PIControl(target=4.0, beta_min=0.5)
    call = jax.jit(lambda rate, state: objective(draws_with(rate, 1.0), state, context())[1:])
    rate, state, integral, highest = 0.0, objective.init(), 1.0, 0.0
    for step in range(4000):
        if windup:  # the same law, with an integral that nothing bounds
            integral += objective.ki * (rate - 4.0)
            beta = np.clip(objective.kp / (1 + np.exp(4.0 - rate)) + integral, objective.beta_min, objective.beta_max)
        else:
            state, terms = call(rate, state)
            beta = float(terms["beta"])
        rate += (8.0 / beta - rate) / 100 if step > 300 else 0.0
        highest = max(highest, rate)
    return highest / 4.0 - 1.0, rate


def test_without_windup_pi_control_overshoots_less():
    ours, at_rest = overshoot(windup=False)
    naive, _ = overshoot(windup=True)
    assert at_rest == pytest.approx(4.0, rel=0.02)
    assert naive > 0.4
    assert ours < naive / 2


@pytest.mark.parametrize("objective", [TargetRate(target=4.0), PIControl(target=4.0), GECO(target=4.0)])
def test_beta_stays_within_its_bounds_and_turns_at_once(objective):
    """Nothing is stored up beyond a bound: one step after the error changes sign, beta has left it."""
    sign = -1.0 if isinstance(objective, GECO) else 1.0
    state = objective.init()
    call = jax.jit(lambda x, state: objective(draws_with(x, x), state, context())[1:])
    for _ in range(3000):
        state, terms = call(4.0 + sign * 1e3, state)
    top = float(terms["beta"])
    assert top == pytest.approx(objective.beta_max, rel=1e-5)
    back = 0
    while float(terms["beta"]) > 0.999 * objective.beta_max:
        state, terms = call(4.0 - sign * 3.9, state)
        back += 1
    assert back < 60  # GECO's moving average has to turn as well


def run(objective, errors):
    """beta after steps whose rate and distortion miss the target by these nats."""
    state = objective.init()
    for error in errors:
        seen = draws_with(objective.target + error, objective.target + error)
        state = objective(seen, state, context())[1]
    return float(objective(draws_with(1.0, 1.0), state, context())[2]["beta"])


FALLING = (460.0, 410.0, 210.0, 110.0, 60.0)


@pytest.mark.parametrize(
    ("objective", "errors", "log_beta"),
    [
        # gain times the sum of the corrected averages: 460, 433.68, 351.15, 281.02, 227.05 nats
        (GECO(target=4.0, max_step=None), FALLING, -np.log(192.2329)),
        (GECO(target=4.0), FALLING, -0.5),
        (GECO(target=4.0, max_step=0.7), FALLING, -0.7 * 5 + (0.7 - 0.003 * 227.05)),
        (GECO(target=4.0), (-10.0,) * 3, 0.09),  # 0.03 a step: none is bounded
        (TargetRate(target=4.0, max_step=None), (100.0, -100.0, 40.0), 0.2),
        (TargetRate(target=4.0), (100.0, -100.0, 40.0), 0.1),
        (TargetRate(target=4.0, max_step=0.3), (100.0, 40.0), 0.5),
    ],
)
def test_a_step_of_log_beta_is_bounded_as_said(objective, errors, log_beta):
    assert np.log(run(canonical(objective), errors)) == pytest.approx(log_beta, abs=3e-5)  # the sums' last digit


def test_geco_takes_the_corrected_average():
    """Not the paper's, which starts at the first constraint and would be at 558.7."""
    average, log_lambda = 0.0, 0.0
    for t, constraint in enumerate(FALLING, 1):
        average = 0.9 * average + 0.1 * constraint
        log_lambda += 0.003 * average / (1 - 0.9**t)
    assert np.exp(log_lambda) == pytest.approx(192.2, abs=0.05)
    assert 1 / run(GECO(target=20.0, max_step=None), FALLING) == pytest.approx(np.exp(log_lambda), rel=1e-5)


def test_geco_counts_the_distortion_of_the_data_as_given():
    objective = GECO(target=10.0)
    same = objective(draws_with(1.0, 7.0), objective.init(), context(log_jacobian=-3.0))[1]
    moved = objective(draws_with(1.0, 7.0), objective.init(), context())[1]
    assert float(same.log_beta) == pytest.approx(0.0, abs=1e-6)  # 7 + 3 nats as given: at the target
    assert float(moved.log_beta) > 0.0


def test_capacity_follows_its_schedule():
    objective = Capacity(gamma=10.0, capacity=8.0, capacity_schedule=Linear())
    loss, _, terms = objective(draws_with(3.0, 5.0), (), context(step=25))  # C = 8 / 4
    assert float(terms["capacity"]) == pytest.approx(2.0)
    assert float(loss) == pytest.approx(5.0 + 10.0 * 1.0, rel=1e-6)
    assert float(terms["objective"]) == pytest.approx(5.0 + 10.0 * 5.0, rel=1e-6)
    assert float(terms["beta"]) == 10.0


def test_free_bits_are_free_by_group_and_of_the_batch():
    kl = jnp.array([[[0.0, 0.4, 2.0, 0.1]], [[0.1, 0.0, 1.0, 0.3]]])  # [B = 2, K = 1, Z = 4]
    q = Normal(jnp.zeros((2, 4)), jnp.zeros((2, 4)))
    level = Level(jnp.zeros((2, 1, 4)), jnp.zeros((2, 1)), jnp.zeros((2, 1)), q, kl)
    draws = Draws((level,), -jnp.ones((2, 1)))
    prior = Normal(jnp.zeros(4), jnp.zeros(4))
    ctx = Context(jnp.int32(0), 10, jax.random.key(0), prior, 2, jnp.ones(2))
    # means of the batch: .05, .2, 1.5, .2
    for size, free, expected in ((1, 0.0, 1.95), (1, 0.25, 0.25 * 3 + 1.5), (2, 0.3, 0.3 + 1.7), (4, 2.5, 2.5)):
        loss, _, terms = FreeBits(free=free, group_size=size, beta=2.0)(draws, (), ctx)
        assert float(terms["charged_rate"]) == pytest.approx(expected, rel=1e-6)
        assert float(loss) == pytest.approx(1.0 + 2 * expected, rel=1e-6)
        assert float(terms["rate"]) == pytest.approx(1.95, rel=1e-6)
    grad = jax.grad(lambda k: FreeBits(free=0.25)(Draws((level._replace(kl=k),), draws.log_px), (), ctx)[0])(kl)
    np.testing.assert_allclose(grad[:, 0], [[0, 0, 0.5, 0]] * 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GECO(), r"objective\.target: .*for example objective\.target=20"),
        (lambda: TargetRate(), r"objective\.target"),
        (lambda: PIControl(target=-1.0), r"objective\.target"),
        (lambda: TargetRate(target=3.0, beta=0.0), r"objective\.beta"),
        (lambda: PIControl(target=3.0, beta_max=0.5), "beta_min <= objective.beta <= objective.beta_max"),
        (lambda: GECO(target=3.0, smoothing=1.0), r"objective\.smoothing"),
        (lambda: GECO(target=3.0, max_step=0.0), r"objective\.max_step: expected a number above 0"),
        (lambda: TargetRate(target=3.0, max_step=-0.1), r"objective\.max_step"),
        (lambda: FreeBits(kl="sampled"), r"objective\.kl=analytic"),
        (lambda: FreeBits(group_size=0), r"objective\.group_size"),
        (lambda: Capacity(capacity=-1.0), r"objective\.capacity"),
    ],
)
def test_what_means_nothing_is_refused(make, message):
    with pytest.raises(VaexError, match=message):
        make()


def test_groups_must_divide_the_latents():
    model = VAE(encoders.Linear(), decoders.Linear(), Gaussian(), 5, (6,))
    with pytest.raises(VaexError, match="expected a divisor of latent_dim=5"):
        FreeBits(group_size=2).check(model, 10)
