"""What a point of a chart says when it is pointed at."""

from vaex.sweep.answers import latent_dim
from vaex.sweep.curves import Point
from vaex.sweep.results import Result
from vaex.sweep.settings import ONLY, Comparison
from vaex.sweep.table import spread

_SHOWN = (("ELBO", "elbo"), ("NLL", "nll"), ("rate", "rate"), ("distortion", "distortion"))


def of_job(comparison: Comparison, job: Result) -> str:
    """Returns a job's overrides and numbers, a line each."""
    swept = " ".join(f"{key}={job.value(key)}" for key in comparison.names) or str(job.folder)
    active, total = job.summary.get("active_units"), latent_dim(job)
    units = "" if active is None else f"{active}{f'/{total}' if total else ''} units active, "
    numbers = [(name, spread([job.summary[key]])) for name, key in _SHOWN if job.summary.get(key) is not None]
    return "\n".join([swept, *(f"{name} {value}" for name, value in numbers), f"{units}{job.status}"])


def of_point(comparison: Comparison, point: Point) -> str:
    """Returns a point's setting and its numbers, averaged over seeds; one job's own where it is alone."""
    if len(point.jobs) == 1:
        return of_job(comparison, point.jobs[0])
    keys = [key for key in comparison.keys if key == comparison.axis or key in comparison.group_by]
    swept = " ".join(f"{key}={point.settings[0].values[key]}" for key in keys) or ONLY
    count = sum(len(setting.completed) for setting in point.settings)
    numbers = [(name, spread(point.numbers(key))) for name, key in _SHOWN if point.numbers(key)]
    units = spread(point.numbers("active_units"), places=1)
    lines = [f"{swept} (n={count})", *(f"{name} {value}" for name, value in numbers), f"{units} units active"]
    return "\n".join(line.replace("+-", "±") for line in lines)
