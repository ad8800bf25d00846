import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from experiments.bench.__main__ import CASES, arguments, main
from experiments.bench.problem import PROBLEMS
from experiments.bench.races import Entry, Rival, rivals, row, take_turns
from experiments.bench.rows import Goal, Row, table
from experiments.bench.worker import ROOT, NotMeasured, Worker, last_line
from vaex._check import VaexError

SOLVER = """
import sys
from experiments.bench.worker import serve
def build(problem, x, *options):
    print("a library's chatter")
    def run(seed):
        if seed == 3:
            raise RuntimeError("seed 3 is too much")
        return 2.0 * seed, float(x.sum()) + problem.latent_dim
    return run
serve(build, "numpy")
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    return [sys.executable, "-c", SOLVER, "digits", str(tmp_path / "x.npy")]


def entry(seconds: list[float], loss: float = 10.0, reason: str = "") -> Entry:
    return Entry("somebody", [], seconds=seconds, losses=[loss] * len(seconds), reason=reason)


def test_a_ratio_is_of_medians_and_is_held_against_its_goal():
    fast = Row("digits", "a", "steps/s", ours=[3.0, 100.0, 8.0], rival=[2.0, 1.0, 50.0], goal=Goal(">=", 4.0))
    assert fast.value == 4.0  # 8 / 2, where the means' ratio is 2.1 and the pairs' median 2
    assert fast.verdict == "yes"
    assert Row("digits", "a", "s", ours=[1.2], rival=[1.0], goal=Goal("<=", 1.1)).verdict == "missed"
    assert Row("startup", "total", "s", ours=[9.0, 11.0, 8.0], goal=Goal("<=", 10)).verdict == "yes"
    assert Row("startup", "part", "s", ours=[9.0]).verdict == ""


def test_the_table_aligns_and_a_reason_widens_no_column():
    rows = [
        Row("digits", "PyTorch", "steps/s", ours=[3.0, 8.0, 9.0], rival=[2.0, 2.0, 2.0], goal=Goal(">=", 4.0)),
        Row("fashion", "Keras", "s/epoch", goal=Goal("<=", 1.1), reason="long " * 50 + "story"),
    ]
    head, measured, refused = table(rows).splitlines()
    assert measured.split("  ")[0] == "digits"
    for cell in ("8 [3-9] steps/s", "2 [2-2] steps/s", "4.00", ">= 4", "yes"):
        assert cell in measured
    assert measured.index("4.00") == head.index("ratio")
    assert measured.index(">= 4") == head.index("goal")
    assert refused.endswith("story")
    assert "not measured: long" in refused
    assert len(head) < 100


def test_a_contestant_answers_over_what_its_libraries_print(command):
    with Worker(command) as worker:
        assert worker.warm_up() == f"numpy {np.__version__}"
        latent_dim = PROBLEMS["digits"].latent_dim
        assert worker.train(2) == (4.0, 6.0 + latent_dim)
        assert worker.train(1) == (2.0, 6.0 + latent_dim)
        with pytest.raises(NotMeasured, match="RuntimeError: seed 3 is too much"):
            worker.train(3)
        with pytest.raises(NotMeasured, match="seed 3"):  # and goes on saying so
            worker.train(4)


def test_a_rival_that_cannot_start_is_not_measured_and_the_others_are(command):
    missing = Entry("missing", [str(ROOT / "no-such-python")])
    broken = Entry("broken", [sys.executable, "-c", "import no_such_package"])
    fine = Entry("fine", command)
    take_turns([missing, broken, fine], repeats=2)
    assert "no-such-python: No such file or directory" in missing.reason
    assert broken.reason == "ModuleNotFoundError: No module named 'no_such_package'"
    assert (fine.reason, fine.seconds) == ("", [2.0, 4.0])


def test_a_rival_counts_with_its_fastest_setting():
    problem = PROBLEMS["fashion_mnist"]
    rival = Rival("Keras", "keras_fit", "s/epoch", Goal("<=", 1.1))
    found = row(problem, 10, entry([2.0]), rival, [entry([4.0]), entry([1.0]), entry([], reason="no")])
    assert (list(found.ours), list(found.rival), found.verdict) == ([2.0], [1.0], "missed")
    speed = row(problem, 10, entry([2.0]), Rival("PyTorch", "torch_eager", "steps/s"), [entry([4.0])])
    assert (list(speed.ours), list(speed.rival), speed.verdict) == ([5.0], [2.5], "")
    refused = row(problem, 10, entry([2.0]), rival, [entry([], reason="not there")])
    assert (refused.value, refused.reason) == (None, "not there")


@pytest.mark.parametrize("loss", [20.0, float("nan")])
def test_another_loss_is_other_work(loss):
    rival = Rival("PyTorch", "torch_eager", "steps/s", Goal(">=", 4.0))
    found = row(PROBLEMS["digits"], 10, entry([2.0]), rival, [entry([1.0], loss=loss)])
    assert found.value is None
    assert "not the same work" in found.reason


def test_each_rival_is_a_module_and_each_setting_a_contestant(tmp_path):
    for problem in PROBLEMS.values():
        for rival in rivals(problem):
            assert find_spec(f"experiments.bench.rivals.{rival.module}")
            commands = [entry.command for entry in rival.entries(problem, tmp_path)]
            assert len(commands) == max(1, len(rival.settings))
            assert [command[5:] for command in commands] == ([[str(s)] for s in rival.settings] or [[]])


def test_every_contestant_sees_each_example_once_an_epoch():
    problem = PROBLEMS["digits"]
    order = problem.order(seed=1, num_train=128)
    assert order.shape == (problem.num_steps(128), problem.batch_size)
    epochs = order.reshape(problem.num_epochs, 128)
    assert (np.sort(epochs, axis=1) == np.arange(128)).all()
    assert (epochs[0] != epochs[1]).any()


def test_arguments():
    assert arguments([]) == (tuple(CASES), 5, Path("outputs"))
    given = arguments(["only=memory,digits", "repeats=2", "output_dir=here"])
    assert given == (("memory", "digits"), 2, Path("here"))
    for words, message in (
        (["digits"], "KEY=VALUE"),
        (["olny=digits"], "did you mean 'only'"),
        (["only=digit"], "did you mean 'digits'"),
        (["repeats=0"], "repeats: expected a whole number of at least 1"),
        (["repeats=x"], "repeats: expected a whole number"),
    ):
        with pytest.raises(VaexError, match=message):
            arguments(words)


def test_missing_data_are_not_measured_and_no_failure(tmp_path, monkeypatch, capsys):
    from vaex.data import FashionMnist

    def read(self):
        raise VaexError("fashion_mnist: cannot be downloaded")

    monkeypatch.setattr(FashionMnist, "read", read)
    monkeypatch.delenv("VAEX_DATA_DIR", raising=False)
    assert main(["only=fashion_mnist", "repeats=1", f"output_dir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "not measured: the data are not here (set VAEX_DATA_DIR" in out
    content = json.loads((tmp_path / "benchmarks.json").read_text())
    assert content["rows"][0]["value"] is None
    assert "cannot be downloaded" in content["rows"][0]["not_measured"]
    assert content["machine"]["cores"] >= 1
    assert content["versions"]["jax"]


def test_mistakes_end_with_one_line_and_status_1(tmp_path, capsys):
    assert main(["only=nothing"]) == 1
    (tmp_path / "file").write_text("")
    assert main(["only=digits", f"output_dir={tmp_path / 'file'}"]) == 1
    assert "type output_dir=FOLDER" in capsys.readouterr().err


def test_the_last_line_of_a_traceback_is_the_error():
    assert last_line("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
    assert last_line("") == ""
