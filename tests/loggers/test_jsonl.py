"""`metrics.jsonl`: what is written, what a resumed run keeps, what a kill may leave."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from vaex.loggers import Jsonl


def lines(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def test_line_holds_step_split_and_finite_numbers_or_null(run):
    log = Jsonl().open(run)
    values = {"loss": 31.25, "elbo": -math.inf, "rate": math.nan, "beta": np.float32(0.5), "count": 3, "nll": None}
    log.metrics(100, "train", values)
    log.close({}, 0)
    (line,) = (run.folder / "metrics.jsonl").read_text().splitlines()

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(line, parse_constant=refuse) == {
        "step": 100,
        "split": "train",
        "loss": 31.25,
        "elbo": None,
        "rate": None,
        "beta": 0.5,
        "count": 3,
        "nll": None,
    }


def test_each_step_and_split_is_written_once(run):
    log = Jsonl().open(run)
    for value in (1.0, 2.0):
        log.metrics(500, "train", {"loss": value})
        log.metrics(500, "test", {"loss": value + 10})
    log.close({}, 0)
    assert lines(run) == [
        {"step": 500, "split": "train", "loss": 1.0},
        {"step": 500, "split": "test", "loss": 11.0},
    ]


def write(run, steps, logger_run=None):
    log = Jsonl().open(logger_run or run)
    for step in steps:
        log.metrics(step, "train", {"loss": float(step)})
    log.close({}, 0)


def test_resumed_run_drops_what_lies_beyond_its_checkpoint_and_nothing_else(run, resumed):
    write(run, range(100, 1000, 100))
    write(run, range(500, 1001, 100), resumed(500))  # 500 again: evaluated at the checkpoint, twice
    assert [line["step"] for line in lines(run)] == [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]


def test_fresh_run_in_a_used_folder_starts_an_empty_file(run):
    write(run, (100, 200))
    write(run, (50,))
    assert [line["step"] for line in lines(run)] == [50]


@pytest.mark.parametrize("torn", ['{"step": 300, "spl', '{"step": 3', "{", "\x00\x00", '{"step": 300}}'])
def test_torn_last_line_is_dropped(run, resumed, torn):
    write(run, (100, 200))
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write(torn)
    write(run, (600,), resumed(500))
    assert [line["step"] for line in lines(run)] == [100, 200, 600]


def test_last_line_without_its_newline_is_kept_when_it_is_whole(run, resumed):
    (run.folder / "metrics.jsonl").write_text('{"step": 100, "split": "train"}')
    write(run, (600,), resumed(500))
    assert [line["step"] for line in lines(run)] == [100, 600]


def test_resuming_needs_no_earlier_file(run, resumed):
    write(run, (600,), resumed(500))
    assert [line["step"] for line in lines(run)] == [600]


def test_no_temporary_file_stays(run, resumed):
    write(run, (100,))
    write(run, (600,), resumed(500))
    assert [path.name for path in run.folder.iterdir()] == ["metrics.jsonl"]


def test_sigkill_loses_no_line(tmp_path):
    program = """
        import pathlib, sys, time
        from vaex.loggers import Jsonl, RunInfo
        folder = pathlib.Path(sys.argv[1])
        run = RunInfo(folder, "", "abcd1234", None, "train", {}, (), 1000, None)
        log = Jsonl().open(run)
        for step in range(100):
            log.metrics(step, "train", {"loss": 1.0})
        print("written", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    written = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in written] == list(range(100))


def test_line_costs_far_less_than_the_steps_it_reports(run):
    # 100 steps of 0.2 ms take 20 ms, of which logging may take 5 %, 1 ms. A line takes about 0.02 ms; the bound leaves
    # room for a busy machine and still fails where each line waits for the disk (some ms).
    log = Jsonl().open(run)
    values = dict.fromkeys(("loss", "elbo", "rate", "distortion", "beta", "learning_rate"), 1.0 / 3.0)
    start = time.process_time()
    for step in range(1000):
        log.metrics(step, "train", values)
    seconds = time.process_time() - start
    log.close({}, 0)
    assert seconds / 1000 < 5e-4
