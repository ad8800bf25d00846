"""Student's t against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from tests.likelihoods.grids import in_both, over, product
from vaex._check import VaexError
from vaex.likelihoods import StudentT
from vaex.numerics import soft_clip

GRID = product([-1e4, -2.0, 0.0, 0.3, 1e4], [-1e4, -3.0, 0.0, 0.3, 2.5, 1e4])


LOWEST = float(np.float32(1.01))  # a number is kept in float32


@pytest.mark.parametrize("df", [LOWEST, 2.0, 5.5, 32.0, 1e3, 1e6])
@pytest.mark.parametrize("scale", [2**-10, 1.0, 1024.0])
def test_fixed_numbers_are_scipys(df, scale):
    def oracle(params, m, x):
        # scipy's own lgammas cancel at large df, to 1e-9 of 1e6 times log 1e6: 1e-8, far below what is asked
        return stats.t.logpdf(x, df, m, scale)

    in_both(StudentT(scale=scale, df=df), {}, GRID[:, 0], GRID[:, 1], oracle, jax.enable_x64)


@pytest.mark.parametrize("raw_df", [-20.0, 0.0, 9.0, 1e3])
@pytest.mark.parametrize("log_scale", [-7.0, 0.5, 7.0])
def test_learned_numbers_are_scipys(raw_df, log_scale):
    def oracle(params, m, x):
        with jax.enable_x64(True):
            scale = np.exp(float(soft_clip(jnp.asarray(np.float64(params["log_scale"])))))
        return stats.t.logpdf(x, 1.01 + np.logaddexp(0.0, params["raw_df"]), m, scale)

    params = {"log_scale": np.float64(log_scale), "raw_df": np.float64(raw_df)}
    in_both(StudentT(), params, GRID[:, 0], GRID[:, 1], oracle, jax.enable_x64)


def test_gradients_are_those_of_finite_differences(x64):
    params = {"log_scale": 0.3, "raw_df": 2.0}
    _, (by_scale, by_df, by_raw) = over(StudentT(), params, [0.4], [1.7], jnp.float64)
    step = 1e-6

    def value(log_scale=0.3, raw_df=2.0, raw=0.4):
        return over(StudentT(), {"log_scale": log_scale, "raw_df": raw_df}, [raw], [1.7], jnp.float64)[0][0]

    for found, name, at in ((by_scale, "log_scale", 0.3), (by_df, "raw_df", 2.0), (by_raw, "raw", 0.4)):
        slope = (value(**{name: at + step}) - value(**{name: at - step})) / (2 * step)
        assert float(found[0]) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_density_integrates_to_one(x64):
    p = jax.jit(lambda x: jnp.exp(StudentT(scale=0.5, df=3.0).log_prob({}, jnp.array([0.3]), x[None])))
    assert integrate.quad(lambda x: float(p(x)), -np.inf, np.inf)[0] == pytest.approx(1.0, abs=1e-6)


def test_with_many_degrees_it_is_normal():
    x = jnp.array([-1.0, 0.2, 2.0])
    found = float(StudentT(scale=1.0, df=2.0**30).log_prob({}, jnp.zeros(3), x))
    assert found == pytest.approx(stats.norm.logpdf(x).sum(), abs=2e-6)


_LOG_PROB = jax.jit(lambda m, x: StudentT(scale=0.5, df=3.0).log_prob({}, m, x))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32))
def test_it_is_symmetric_in_x_and_m(m, x):
    assert float(_LOG_PROB(jnp.array([m]), jnp.array([x]))) == float(_LOG_PROB(jnp.array([x]), jnp.array([m])))


@pytest.mark.parametrize("settings_", [{"df": 1.0}, {"scale": -1.0}])
def test_what_has_no_mean_or_scale_is_refused(settings_):
    with pytest.raises(VaexError, match=r"likelihood\.(df|scale)"):
        StudentT(**settings_)
