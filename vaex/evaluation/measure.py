"""A metric over the examples of a split, for the runs of a pack at once."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Shaped

from vaex.data import Dataset, Preparation
from vaex.evaluation.runs import Finished
from vaex.loggers import Progress
from vaex.metrics import About, Metric
from vaex.models import VAE
from vaex.part import canonical, to_dict
from vaex.training import precision
from vaex.training.evaluate import Stopped, batches
from vaex.training.members import Members, packed, side_by_side
from vaex.training.memory import make_room
from vaex.training.streams import SPLITS, stream
from vaex.typing import Params, PRNGKey


class Measured(NamedTuple):
    """What a metric says of one run."""

    numbers: dict[str, Any]
    warnings: list[str]
    num_examples: int
    seconds: float  # of the whole pack


@packed(each=("model", "params"))
def over_examples(
    model: VAE,
    params: Params,
    metric: Metric,
    preparation: Preparation,
    key: PRNGKey,
    stored: Shaped[Array, "B *event"],
    index: Int[np.ndarray | Array, " B"],
) -> Any:
    """Returns what a metric says of each example of a batch, whose places in the split are `index`."""
    return jax.vmap(lambda i, x: metric.example(model, params, key, i, x))(index, preparation(stored))


@packed(each=("model", "params", "found"))
def over_split(model: VAE, params: Params, metric: Metric, key: PRNGKey, found: Any) -> Any:
    """Returns what a metric says of all examples together."""
    return metric.whole(model, params, key, found)


def measure(
    runs: list[Finished],
    name: str,
    metric: Metric,
    *,
    split: str = "test",
    seed: int = 0,
    strategy: str = "auto",
    matmul_precision: str = precision.REPORTED,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Measured]:
    """Returns what a metric says of each of the runs, which share a program and a data set.

    Args:
        runs: the members.
        name: what the metric is called.
        metric: it.
        split: `test` or `validation`.
        seed: of the evaluation's noise, the same for all members.
        strategy: `loop`, `vmap` or `auto`.
        matmul_precision: of the products; see `vaex.training.precision`.
        should_stop: read between device calls.

    Raises:
        VaexError: where the metric needs what the model or its data lack, or the device does not multiply so.
        Stopped: where `should_stop` turned true.
    """
    make_room()
    data, model, metric = runs[0].job.data, runs[0].model, canonical(metric)
    metric.check(model)
    precision.check_device("evaluation.matmul_precision", matmul_precision, precision.REPORTED)
    start = time.perf_counter()
    side = side_by_side(len(runs), strategy)
    found, whole = _measured(runs, name, metric, data, split, seed, side, matmul_precision, should_stop)
    seconds = time.perf_counter() - start
    about = _about(data, model)
    num, measured = metric.count(len(getattr(data, split))), []
    for of_examples, of_split in zip(found, whole, strict=True):
        numbers = metric.numbers(of_examples, of_split, about)
        measured.append(Measured(numbers, metric.warnings(numbers), num, seconds))
    return measured


def _about(data: Dataset, model: VAE) -> About:
    of_data = canonical(data.preparation).log_jacobian(data.event_shape)
    num_dims = int(np.prod(data.event_shape))
    return About(num_dims, float(model.likelihood.log_jacobian(of_data)), data.log_cell)


def _measured(
    runs: list[Finished],
    name: str,
    metric: Metric,
    data: Dataset,
    split: str,
    seed: int,
    members: Members,
    products: str,
    should_stop: Callable[[], bool],
) -> tuple[list[Any], list[Any]]:
    """Returns, for every member, what the metric says of the examples, and of all of them together."""
    rows = getattr(data, split)
    num, key = metric.count(len(rows)), stream(seed, "evaluation", SPLITS.index(split))
    models, params = members.scatter([run.model for run in runs]), members.scatter([run.params for run in runs])
    preparation = canonical(data.preparation)
    parts: list[list[Any]] = []
    pending: Any = None
    with Progress(num, f"{name}, {len(runs)} run{'s' * (len(runs) > 1)},", unit="example") as progress:
        for index, _ in batches(num, max(1, metric.at_once // members.at_once)):
            if should_stop():
                raise Stopped
            stored = members.share(np.ascontiguousarray(rows[index % len(rows)]))
            now = members(over_examples, models, params, metric, preparation, key, stored, index, products=products)
            if pending is not None:  # read while the next batch is computed
                parts.append(members.gather(pending))
                progress.update(min(len(parts) * len(index), num))
            pending = now
        parts.append(members.gather(pending))
        progress.update(num)
    found = [jax.tree.map(lambda *a: np.concatenate(a)[:num], *of_member) for of_member in zip(*parts, strict=True)]
    if type(metric).whole is Metric.whole:
        return found, [()] * len(runs)
    whole = members(over_split, models, params, metric, key, members.scatter(found), products=products)
    return found, members.gather(whole)


def settings_of(metric: Metric) -> Mapping[str, Any]:
    """Returns a metric's settings as plain numbers and names."""
    return {key: value for key, value in to_dict(canonical(metric)).items() if key != "_target_"}
