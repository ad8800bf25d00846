"""What a run's numbers warn of: tags for summary, report and W&B, each with its threshold and its remedy."""

from collections.abc import Mapping
from typing import Any, NamedTuple

COLLAPSED_RATE = 0.05  # nats: z says less than a twentieth of a nat about x
LEAST_RATE = 1.0  # nats: z tells apart fewer than e examples
LEAST_ACTIVE = 0.1  # share of latents


class Alarm(NamedTuple):
    """A tag, when it is given, and what to do."""

    tag: str
    rule: str
    remedy: str


COLLAPSED = Alarm(
    "collapsed",
    f"no active unit, or rate < {COLLAPSED_RATE} nats",
    "lower objective.beta, or let it rise: schedule@objective.beta_schedule=linear; or objective=free_bits",
)
OVER_REGULARIZED = Alarm(
    "over_regularized",
    f"not collapsed, and rate < {LEAST_RATE:g} nat or fewer than {LEAST_ACTIVE:.0%} of the latents active",
    "lower objective.beta, lower latent_dim to the active ones, or set the rate itself: objective=target_rate",
)
DIVERGED = Alarm(
    "diverged",
    "a loss or gradient norm that is not finite",
    "lower optimizer.learning_rate tenfold, or type optimizer.clip_norm=100",
)
ALARMS = {alarm.tag: alarm for alarm in (COLLAPSED, OVER_REGULARIZED, DIVERGED)}


def alarms(summary: Mapping[str, Any]) -> list[str]:
    """Returns the tags that a run's summary earns, in the order of `ALARMS`.

    Args:
        summary: with `status`, `rate` (nats), `active_units` and `latent_dim`; numbers may be None.
    """
    if summary.get("status") == "diverged":
        return [DIVERGED.tag]  # its numbers are of where it stood still: nothing follows from them
    found = []
    rate, active, latents = (summary.get(key) for key in ("rate", "active_units", "latent_dim"))
    if rate is not None and active is not None and latents:
        if active == 0 or rate < COLLAPSED_RATE:
            found.append(COLLAPSED.tag)
        elif rate < LEAST_RATE or active < LEAST_ACTIVE * latents:
            found.append(OVER_REGULARIZED.tag)
    return found
