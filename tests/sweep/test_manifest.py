"""`sweep.json`: what it holds, what it refuses, and how a plan goes on from it."""

import json
from pathlib import Path

import pytest

from vaex._check import VaexError
from vaex.sweep import packs
from vaex.sweep.manifest import Entry, PackEntry, open_manifest, read_manifest
from vaex.sweep.plan import balanced, describe, packs_of


def entries(*betas: float) -> list[Entry]:
    return [Entry(num, [f"objective.beta={beta}", "logger=none"], str(num)) for num, beta in enumerate(betas)]


def test_what_is_written_is_read(tmp_path):
    manifest = open_manifest(tmp_path, entries(1, 2), whole=True)
    assert not (tmp_path / "sweep.json").exists()  # not before there is something to do
    manifest.note_packs([PackEntry([0, 1], "loop", 2)])
    manifest.note([1], "failed", "no ink")
    again = read_manifest(tmp_path)
    assert again is not None
    assert again == manifest
    assert [(job.status, job.message, job.pack) for job in again.jobs] == [("pending", "", 0), ("failed", "no ink", 0)]
    assert json.loads((tmp_path / "sweep.json").read_text())["version"] == 1


def test_loggers_may_differ_when_a_sweep_goes_on_and_jobs_may_not(tmp_path):
    open_manifest(tmp_path, entries(1, 2), whole=True).write()
    other_logger = [Entry(0, ["objective.beta=1"], "0"), Entry(1, ["logger=wandb", "objective.beta=2"], "1")]
    assert len(open_manifest(tmp_path, other_logger, whole=True).jobs) == 2
    for jobs, message in (
        (entries(1, 3), "its job 1 is objective.beta=2 logger=none, now objective.beta=3 logger=none"),
        (entries(1), "holds a sweep of 2 jobs, now 1"),
        ([Entry(0, ["objective.beta=1"], "elsewhere")], "holds another sweep"),
    ):
        with pytest.raises(VaexError, match=message):
            open_manifest(tmp_path, jobs, whole=True)
    # A sweeper that sends batches adds to it, and sends each again when it goes on.
    more = open_manifest(tmp_path, [Entry(2, ["objective.beta=3"], "2")], whole=False)
    assert [job.num for job in more.jobs] == [0, 1, 2]
    assert len(open_manifest(tmp_path, entries(1), whole=False).jobs) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "expected {...}, got"),
        ('{"version": 2}', "expected version 1, got 2"),
        ('{"version": 1, "jobs": []}', "is damaged .'packs'."),
        ('{"version": 1, "jobs": [{"number": 1}], "packs": []}', "is damaged"),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path, text, message):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(VaexError, match=message):
        open_manifest(tmp_path, entries(1), whole=True)


def test_a_pack_that_goes_on_keeps_its_size(tmp_path, digits_jobs):
    manifest = open_manifest(tmp_path, entries(1, 2, 3, 4, 5), whole=True)
    manifest.note_packs([PackEntry([0, 1, 2], "vmap", 3, probes=1), PackEntry([3, 4], "vmap", 2)])
    left = {num: job for num, job in digits_jobs(*[f"seed={i}" for i in range(5)]).items() if num in (1, 2, 4)}
    assert packs.plan(manifest, left, "vmap", None) == manifest.packs


def test_under_another_strategy_what_is_left_is_planned_anew(tmp_path, digits_jobs):
    manifest = open_manifest(tmp_path, entries(1, 2, 3), whole=True)
    manifest.note_packs([PackEntry([0, 1, 2], "vmap", 3)])
    left = {num: job for num, job in digits_jobs("seed=0", "seed=1", "seed=2").items() if num != 0}
    assert packs.plan(manifest, left, "loop", None) == [PackEntry([0], "vmap", 3), PackEntry([1, 2], "loop", 2)]


def test_parts_are_as_few_and_as_equal_as_can_be():
    assert balanced(range(20), None) == [list(range(20))]
    assert [len(part) for part in balanced(range(20), 12)] == [10, 10]
    assert [len(part) for part in balanced(range(7), 3)] == [3, 3, 1]
    assert [len(part) for part in balanced(range(3), 1)] == [1, 1, 1]


def test_jobs_share_a_pack_as_long_as_only_numbers_differ(digits_jobs):
    jobs = digits_jobs(
        *("objective.beta=1", "objective.beta=4 seed=3", "optimizer.learning_rate=1e-4", "likelihood=gaussian"),
        *("trainer.batch_size=32", "data.seed=1", "evaluation.nll_num_samples=7", "optimizer.clip_norm=1"),
        *("optimizer.clip_norm=2", "trainer.checkpoint_every=7", "trainer.monitor=rate", "latent_dim=3"),
    )
    assert packs_of(jobs) == [[0, 1, 2, 10], [3], [4], [5], [6], [7, 8], [9], [11]]
    assert packs_of(jobs, most=2)[:2] == [[0, 1], [2, 10]]


@pytest.fixture
def digits_jobs():
    from hydra import compose, initialize_config_dir

    from experiments.assemble import assemble, plain
    from experiments.command import CONF

    def jobs(*overrides):
        datasets, found = {}, {}
        with initialize_config_dir(CONF, version_base="1.3"):
            for num, words in enumerate(overrides):
                config = plain(compose("train", [*words.split(), "logger=none"]))
                found[num] = assemble(config, Path("unused"), datasets)
        return found

    return jobs


@pytest.mark.parametrize(
    ("groups", "beside", "line"),
    [
        ([[0, 1, 2, 3]], [], "4 jobs = 1 pack of 4 (varies: beta, seed)"),
        ([[0, 1], [2, 3]], [], "4 jobs = 2 packs of 2 (varies: seed; split by beta)"),
        ([[0, 1, 2], [3]], [], "4 jobs = 1 pack of 3 + 1 pack of 1 (varies: beta, seed)"),
        ([[3]], ["3 completed already"], "4 jobs = 1 pack of 1 + 3 completed already"),
        ([], ["4 completed already"], "4 jobs = 4 completed already"),
    ],
)
def test_a_plan_in_words(groups, beside, line):
    overrides = {num: ["width=8", f"beta={num // 2}", f"seed={num % 2}"] for num in range(4)}
    assert describe(groups, overrides, beside) == line
