"""What is read from a sweep's folder, how it is arranged, and the two tables that are written."""

import csv
import json
from pathlib import Path

import pytest

from vaex._check import VaexError
from vaex.sweep import compare, read_sweep, table
from vaex.sweep.results import Result, varying, write_csv
from vaex.sweep.settings import NO_RESULT, arrange, short


def manifest(sweep, *jobs, **more):
    entries = [
        {"num": n, "overrides": o.split(), "directory": d, "status": s, "message": m, "pack": 0}
        for n, (o, d, s, m) in enumerate(jobs)
    ]
    (sweep / "sweep.json").write_text(json.dumps({"version": 1, "jobs": entries, "packs": [], **more}))


def test_jobs_come_in_the_order_of_their_numbers(job, tmp_path):
    for name in ("10", "2", "1"):
        job(name, f"seed={name}")
    assert [result.folder.name for result in read_sweep(tmp_path / "sweep")] == ["1", "2", "10"]


def test_nested_folders_are_found_without_a_manifest(job, tmp_path):
    job("objective.beta=1/seed=0", "objective.beta=1 seed=0")
    job("objective.beta=1/seed=10", "objective.beta=1 seed=10")
    hidden = tmp_path / "sweep" / "objective.beta=1" / "seed=0" / "wandb" / "run"
    hidden.mkdir(parents=True)
    (hidden / "summary.json").write_text("{}")
    folders = [result.folder.relative_to(tmp_path / "sweep").as_posix() for result in read_sweep(tmp_path / "sweep")]
    assert folders == ["objective.beta=1/seed=0", "objective.beta=1/seed=10"]


def test_the_manifest_gives_order_folders_and_jobs_without_a_summary(job, tmp_path):
    job("b/0", "objective.beta=1 trainer.num_steps=9")
    sweep = tmp_path / "sweep"
    manifest(
        sweep,
        ("objective.beta=2", "a", "failed", "it did not fit"),
        ("objective.beta=1", "b/0", "completed", ""),
        ("objective.beta=4", "c", "pending", ""),
    )
    results = read_sweep(sweep)
    assert [(r.overrides, r.status) for r in results] == [
        ({"objective.beta": "2"}, "failed"),
        ({"objective.beta": "1"}, "completed"),
        ({"objective.beta": "4"}, "pending"),
    ]
    lines = compare([sweep]).splitlines()
    assert [line.split()[:2] + line.split()[-1:] for line in lines[1:4]] == [
        ["2", "0", "failed"],
        ["1", "1", "completed"],
        ["4", "0", "pending"],
    ]
    page = (sweep / "report.html").read_text()
    assert "failed: it did not fit" in page
    assert "1 failed, 1 pending" in page


@pytest.mark.parametrize(
    "content", ["{not json", "{}", '{"version": 1}', '{"version": 1, "packs": [], "jobs": [{"num": 0}]}']
)
def test_a_corrupt_manifest_is_one_message(job, tmp_path, content):
    job("0", "seed=0")
    (tmp_path / "sweep" / "sweep.json").write_text(content)
    with pytest.raises(VaexError, match=r"sweep\.json(: expected version 1| is damaged)"):
        read_sweep(tmp_path / "sweep")


def test_what_is_no_sweep_is_refused(job, tmp_path):
    with pytest.raises(VaexError, match="which does not exist"):
        read_sweep(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VaexError, match=r"holds no summary\.json"):
        read_sweep(tmp_path / "empty")
    with pytest.raises(VaexError, match="is a single run"):
        read_sweep(job("0", "seed=0"))


def test_two_spellings_of_a_number_are_one_setting(job, tmp_path, arranged):
    job("0", "objective.beta=1 optimizer.learning_rate=1e-3")
    job("1", "objective.beta=1.0 optimizer.learning_rate=0.002")
    comparison = arranged(tmp_path / "sweep")
    assert comparison.keys == ["optimizer.learning_rate"]
    assert len(comparison.settings) == 2


def test_a_joined_sweep_takes_what_was_not_typed_from_the_config(job, tmp_path):
    job("0", "seed=0", sweep="a")
    job("0", "seed=0 objective.beta=4", sweep="b")
    job("1", "seed=0 objective.beta=1", sweep="b")
    results = [*read_sweep(tmp_path / "a"), *read_sweep(tmp_path / "b")]
    assert [result.value("objective.beta") for result in results] == ["1.0", "4", "1"]
    comparison = arrange(results)
    assert [[job.folder.parent.name for job in s.jobs] for s in comparison.settings] == [["a", "b"], ["b"]]
    text = compare([tmp_path / "a", tmp_path / "b"])
    assert text.splitlines()[-2:] == [str(tmp_path / "a" / "results.csv"), str(tmp_path / "a" / "report.html")]


def test_equal_last_words_keep_their_whole_keys(job, tmp_path, arranged):
    job("0", "optimizer.momentum=0.1 other.momentum=1")
    job("1", "optimizer.momentum=0.2 other.momentum=2")
    assert list(arranged(tmp_path / "sweep").names.values()) == ["optimizer.momentum", "other.momentum"]


def test_axis_and_groups(grid, arranged):
    keys = "optimizer.learning_rate={} likelihood={} objective.beta={} latent_dim={}"
    values = [(0.1, "a", 1, 2), (0.2, "b", 2, 4)]
    sweep = grid({keys.format(*value): [{}] for value in values})
    first = arranged(sweep)
    assert (first.axis, first.group_by) == (
        "objective.beta",
        ["optimizer.learning_rate", "likelihood", "latent_dim"],
    )
    second = arranged(sweep, axis="latent_dim", group_by="beta")
    assert (second.axis, second.group_by) == ("latent_dim", ["objective.beta"])
    third = arranged(sweep, axis="likelihood", group_by=[])
    assert (third.axis, third.numeric, third.group_by) == ("likelihood", False, [])
    assert arrange([r for r in read_sweep(sweep) if r.value("seed") == "0"][:1]).axis is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "objective.betta"}, "axis: expected a swept key, one of objective.beta, latent_dim; got"),
        ({"axis": "objective.betta"}, "did you mean 'objective.beta'"),
        ({"axis": "seed"}, "type axis=objective.beta"),
        ({"group_by": "objective.beta"}, "group_by: expected a swept key, one of latent_dim; got 'objective.beta'"),
        ({"group_by": ["latent_dim", "x"]}, "got 'x'; type group_by=latent_dim"),
    ],
)
def test_a_key_that_was_not_swept_is_refused(grid, options, message):
    sweep = grid({"objective.beta=1 latent_dim=2": [{}], "objective.beta=2 latent_dim=4": [{}]})
    with pytest.raises(VaexError) as error:
        compare([sweep], **options)
    assert message in str(error.value)
    assert not (sweep / "report.html").exists()


def test_no_other_key_to_group_by(betas):
    with pytest.raises(VaexError, match=r"group_by: expected none.*leave group_by= out"):
        compare([betas], group_by="likelihood")


def test_the_table_has_means_and_spreads(betas):
    lines = table(read_sweep(betas)).splitlines()
    assert lines[0].split() == ["beta", "n", "elbo", "nll", "rate", "distortion", "mse", "active", "status"]
    # of beta 1: ELBO -24, -24.2; NLL 22.5, 22.7: standard deviation over n - 1 = 0.2 / sqrt(2) = 0.14
    assert lines[2].replace(" +- ", "+-").split() == (
        [
            "1",
            "2",
            "-24.10+-0.14",
            "22.60+-0.14",
            "5.100+-0.141",
            "19.00+-0.00",
            "0.0500+-0.0000",
            "8.0+-0.0",
            "completed",
        ]
    )


def test_a_refused_job_stands_with_the_jobs_of_its_measure(job, tmp_path, arranged):
    job("0", "likelihood=bernoulli objective.beta=1")
    job("1", "likelihood=gaussian objective.beta=1", data_measure="Lebesgue")
    for name, likelihood in (("2", "bernoulli"), ("3", "gaussian"), ("4", "laplace")):
        folder = job(name, "")
        overrides = [f"likelihood={likelihood}", "objective.beta=-1"]
        content = {"status": "failed", "message": "no", "config_overrides": overrides}
        (folder / "summary.json").write_text(json.dumps(content))
    panels = {panel.measure: len(panel.jobs) for panel in arranged(tmp_path / "sweep").panels}
    assert list(panels.values()) == [2, 2, 1]
    assert list(panels)[-1] == NO_RESULT


def test_results_csv_has_a_row_a_job(betas, tmp_path):
    results = read_sweep(betas)
    results[0].summary["validation"] = {"nll": 1.5}
    write_csv(tmp_path / "r.csv", results)
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert list(rows[0])[:3] == ["job", "objective.beta", "seed"]
    assert [row["objective.beta"] for row in rows[::2]] == ["0.5", "1", "2", "4"]
    assert [float(row["nll"]) for row in rows[2:4]] == [22.5, 22.7]
    assert (rows[0]["validation.nll"], rows[1]["validation.nll"]) == ("1.5", "")


def test_long_numbers_are_spelled_short():
    spellings = {
        "1000000000000.0": "1e12",
        "0.25": "0.25",
        "0.0000123": "1.23e-5",
        "": "default",
        "bernoulli": "bernoulli",
    }
    assert {value: short(value) for value in spellings} == spellings


def test_varying_keeps_the_order_in_which_keys_were_typed(tmp_path):
    results = [Result(tmp_path, {"b": str(i), "c": "1", "a": str(i)}, {}) for i in range(2)]
    assert varying(results) == ["b", "a"]


def test_a_metric_of_a_part_of_the_split_says_so_and_one_measured_in_two_ways_has_no_column():
    def job(place, **changes):
        entry = {"metric": "ais", "headline": "nll", "version": 1, "settings": {}, "seed": 0, "split": "test"} | changes
        return Result(Path(str(place)), {"seed": str(place)}, {"num_test": 359, "ais.nll": 22.0}, {}, (entry,))

    alike = arrange([job(i, num_examples=60) for i in range(2)])
    assert list(map(alike.titled, alike.headlines)) == ["ais.nll (60 examples)"]
    whole = arrange([job(i, num_examples=359) for i in range(2)])
    assert list(map(whole.titled, whole.headlines)) == ["ais.nll"]
    mixed = arrange([job(0, num_examples=60), job(1, num_examples=359)])
    assert (mixed.headlines, mixed.measured_differently) == ([], ["ais"])


def test_another_draw_of_the_splits_repeats_a_setting(job, tmp_path, arranged):
    for number, beta in enumerate("1144"):
        job(str(number), f"objective.beta={beta} data.split_seed={number % 2}")
    assert [len(setting.jobs) for setting in arranged(tmp_path / "sweep").panels[0].settings] == [2, 2]
