"""Which jobs of a sweep train as one program, and the line that says so."""

from collections.abc import Mapping, Sequence
from typing import Any

from vaex.training import Job, program_of


def packs_of(jobs: Mapping[int, Job], most: int | None = None) -> list[list[int]]:
    """Returns the numbers of the jobs of each pack, in the order of their first ones.

    Two jobs share a pack if and only if one compiled program serves both (their recipes are equal but for numbers),
    their data and the settings of their loops are equal.

    Args:
        jobs: by number.
        most: members that a pack may have.
    """
    groups: dict[Any, list[int]] = {}
    for num, job in jobs.items():
        groups.setdefault(_what_is_shared(job), []).append(num)
    return [pack for group in groups.values() for pack in balanced(group, most)]


def balanced(nums: Sequence[int], most: int | None) -> list[list[int]]:
    """Returns the fewest parts of at most `most`, as equal as can be: equal sizes share a program."""
    count = 1 if most is None else -(-len(nums) // most)
    size = -(-len(nums) // count)
    return [list(nums[first : first + size]) for first in range(0, len(nums), size)]


def _what_is_shared(job: Job) -> Any:
    trainer = job.trainer
    loop = (trainer.checkpoint_every, trainer.steps_per_call, job.nll_num_samples)
    return program_of(job.recipe), id(job.data), loop


def describe(
    packs: Sequence[Sequence[int]],
    overrides: Mapping[int, Sequence[str]],
    beside: Sequence[str] = (),
    zipped: Sequence[str] = (),
) -> str:
    """Returns the plan in one line: `20 jobs = 1 pack of 20 (varies: objective.beta, seed)`, or what splits it.

    Args:
        packs: the numbers of their jobs.
        overrides: of every job of the sweep, `KEY=VALUE`.
        beside: what else the sweep consists of, such as `3 completed already`.
        zipped: keys whose values go together: `2 x 3 zipped` are two settings of the other keys, each with three.
    """
    settings = {num: settings_of(words) for num, words in overrides.items()}
    everyone = [num for pack in packs for num in pack]
    inside = [key for key in _keys(settings) if any(_varies(key, settings, pack) for pack in packs)]
    splits = [key for key in _keys(settings) if key not in inside and _varies(key, settings, everyone)]
    sizes: dict[int, int] = {}
    for pack in packs:
        sizes[len(pack)] = sizes.get(len(pack), 0) + 1
    parts = [f"{count} pack{'s' * (count > 1)} of {size}" for size, count in sizes.items()]
    why = [f"varies: {', '.join(inside)}"] * bool(inside) + [f"split by {', '.join(splits)}"] * bool(splits)
    why += [_zip(list(settings.values()), zipped)] * bool(zipped)
    plan = " + ".join(parts) + (f" ({'; '.join(why)})" if why and parts else "")
    num = len(overrides)
    return f"{num} job{'s' * (num != 1)} = {' + '.join(filter(None, [plan, *beside]))}"


def _zip(settings: Sequence[Mapping[str, str]], keys: Sequence[str]) -> str:
    def different(of: Sequence[str]) -> int:
        return len({tuple(words.get(key) for key in of) for words in settings})

    every = {key for words in settings for key in words}
    rest, together = different([key for key in every if key not in keys]), different(keys)
    return f"{rest} x {together} zipped" if rest > 1 else f"{together} zipped"


def settings_of(overrides: Sequence[str]) -> dict[str, str]:
    """Returns the values of `KEY=VALUE` words by key."""
    return {key: value for key, _, value in (word.lstrip("+").partition("=") for word in overrides)}


def _keys(settings: Mapping[int, Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(key for words in settings.values() for key in words))


def _varies(key: str, settings: Mapping[int, Mapping[str, str]], nums: Sequence[int]) -> bool:
    return len({settings[num].get(key) for num in nums}) > 1
