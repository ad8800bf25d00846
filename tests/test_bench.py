import json
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.assemble import assemble, plain
from experiments.bench import accelerator, end_to_end, nll, overhead, packs, scaling, stream, sweeps, turns
from experiments.bench.__main__ import CASES, arguments, main
from experiments.bench.cards import CARDS, work
from experiments.bench.ours import build, dataset, examples, recipe
from experiments.bench.problem import PROBLEMS, Problem
from experiments.bench.races import Entry, Rival, rivals, row, take_turns
from experiments.bench.rows import Goal, Row, table
from experiments.bench.scripts import flax_job
from experiments.bench.scripts.job import Job
from experiments.bench.turns import Timed
from experiments.bench.worker import ROOT, NotMeasured, Worker, last_line
from vaex._check import VaexError
from vaex.likelihoods import Bernoulli
from vaex.training import Pack, precision
from vaex.training.members import side_by_side

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


def timed(wall: list[float], reason: str = "", elbo: float = -20.0, **found) -> Timed:
    return Timed(
        lambda folder: [],
        lambda folder: {},
        starts=[100.0] * len(wall),
        wall=wall,
        found=[{"elbo": elbo, **found} for _ in wall],
        reason=reason,
    )


@pytest.fixture
def everyone() -> dict[str, Timed]:
    """All contestants of the case `sweep`, with numbers that are easy to add."""
    seconds = {"compose": 2.0, "folders": 1.0, "compile": 3.0, "train": 4.0}
    names = ("basic", "joblib", "ours, 4 jobs", "basic, 4 jobs", "joblib, 4 jobs")
    scripts = ("torch, 1 thread", "flax", "flax, cache shared")
    return {
        "ours": timed([13.0, 13.0], seconds=seconds),
        "ours, logger=none": timed([12.0, 12.0], seconds=seconds),
        "start-up": timed([4.0, 4.0], monotonic=103.5, compose=2.5),  # 3.5 s after the start, 2.5 of them composing
        "alone": timed([3.0, 3.0], train=0.5, compile=2.0),
        **{name: timed([26.0, 26.0]) for name in names},
        **{name: timed([39.0]) for name in scripts},
    }


def test_a_sweep_is_held_against_the_sum_of_what_it_must_do(everyone):
    found = end_to_end.against_the_sum(everyone)
    # start-up 1 + composing 2 + compile 3, or 2 of a lone run, + half of 20 lone runs of 0.5 s
    assert [list(one.rival) for one in found] == [[11.0, 11.0], [10.0, 10.0]] * 2
    assert [list(one.ours) for one in found] == [[13.0, 13.0]] * 2 + [[12.0, 12.0]] * 2
    assert [one.verdict for one in found] == ["yes"] * 4
    everyone["alone"].reason = "no"
    assert {one.reason for one in end_to_end.against_the_sum(everyone)} == {"no"}


def test_a_sweep_is_compared_with_launchers_in_seconds_and_with_scripts_in_jobs(everyone):
    found = {one.what: one for one in end_to_end.rows(everyone)}
    assert (found["basic"].value, found["basic"].verdict) == (0.5, "yes")
    assert found["joblib, 4 jobs"].value == 1.0
    assert found["flax"].value == pytest.approx(3.0)  # their 39 s over our 13
    assert found["torch, 1 thread"].verdict == "yes"
    assert found["flax, cache shared"].goal is None
    everyone["flax"] = timed([39.0], elbo=-22.0)
    assert "not the same work" in end_to_end.against("flax", everyone["ours"], everyone["flax"], None).reason


def test_the_parts_of_a_sweep_and_the_rest_are_the_whole(everyone):
    ours = everyone["ours"]
    found = sweeps.parts(ours, sweeps.start_up(everyone["start-up"]))
    assert {name: values[0] for name, values in found.items()} == {
        "start-up": 1.0,
        "compose": 2.0,
        "folders": 1.0,
        "compile": 3.0,
        "train": 4.0,
        "rest": 2.0,
    }
    assert [sum(turn) for turn in zip(*found.values(), strict=True)] == ours.wall


def test_overhead_is_what_is_left_a_job(everyone):
    total, *of_it = overhead.rows("ours", everyone, overhead.TAKEN_OFF, jobs=100)
    assert total.ours == pytest.approx([30.0, 30.0])  # folders 1 s and rest 2 s, of 100 jobs: 30 ms
    assert (total.verdict, [one.value for one in of_it]) == ("yes", pytest.approx([10.0, 20.0]))


def test_a_pack_counts_the_steps_of_all_members():
    together, alone = entry([10.0]), entry([1.0])
    found = packs.row("digits", 100, "loop", together, alone)
    assert (list(found.ours), list(found.rival), found.value) == ([200.0], [100.0], 2.0)
    assert found.verdict == "yes"
    assert packs.row("conv", 100, "vmap", together, alone).goal is None
    assert "not the same work" in packs.row("digits", 100, "loop", entry([10.0], loss=20.0), alone).reason


def test_our_contestant_trains_one_run_or_a_pack():
    problem = replace(PROBLEMS["digits"], num_epochs=1)
    x = examples(problem)
    losses = [build(problem, x, members, "loop")(seed=3)[1] for members in ("1", "2")]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert set(packs.MEMBERS) <= set(PROBLEMS)


def test_an_nll_is_of_the_whole_split_and_against_the_fastest_products():
    part = nll.WHOLE / nll.PART
    whole, rate, memory = nll.rows({"ours": [3.0, 9.0, 4.0], "500": [4.0, 4.0, 4.0], "1000": [2.0, 2.0, 8.0]}, 0.5)
    assert list(whole.ours) == [3.0 * part, 9.0 * part, 4.0 * part]
    assert (whole.value, whole.verdict) == (2.0, "missed")
    assert "1000 draws" in whole.what
    assert "from 250" in whole.what
    assert rate.value == pytest.approx(0.5)
    # 2 (50 x 200 + 200 x 200 + 200 x 784) operations a draw, of 5,000 draws of 250 images
    assert rate.rival[0] == pytest.approx(413_600 * 5000 * 250 / 2.0 / 1e9)
    assert (memory.value, memory.verdict) == (0.5, "yes")


def test_an_nll_is_that_of_an_evaluation_and_its_products_are_the_decoders(monkeypatch):
    for name, value in (("K", 20), ("PART", 2), ("BLOCKS", (10,))):
        monkeypatch.setattr(nll, name, value)
    everyone = nll.contestants()
    assert set(everyone) == {"ours", "10"}
    assert all(call() > 0 for call in everyone.values())
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, 10, 4)).astype(np.float32)
    kernels = [rng.normal(size=shape).astype(np.float32) for shape in ((4, 5), (5, 6))]
    expected = z[4 % 3] @ kernels[0] @ kernels[1]
    np.testing.assert_allclose(nll.products(kernels, z, 5), expected, rtol=1e-4, atol=1e-5)


def test_a_stream_trains_to_what_the_memory_does(monkeypatch, tmp_path):
    small = Problem("stream", hidden=(4,), latent_dim=2, batch_size=32, num_epochs=2)
    for name, value in (("PROBLEM", small), ("NUM", 96), ("SHAPE", (8, 8, 1)), ("NUM_TEST", 10)):
        monkeypatch.setattr(stream, name, value)
    stream.write(tmp_path / "x.npy")
    everyone = stream.contestants(str(tmp_path / "x.npy"))
    (disk, disk_loss), (memory, memory_loss) = (everyone[name](3) for name in ("disk", "memory"))
    assert disk_loss == memory_loss
    assert min(disk, memory) > 0
    seconds = {"disk": [4.0, 2.0, 3.0], "memory": [2.0, 2.0, 2.0]}
    found = stream.row("memory", {"seconds": seconds, "losses": {"disk": [1.0], "memory": [1.0]}})
    assert (list(found.ours), found.value, found.verdict) == ([2.0, 1.0, 1.5], 1.5, "missed")
    other = stream.row("memory", {"seconds": seconds, "losses": {"disk": [1.0], "memory": [2.0]}})
    assert "not the same work" in other.reason


def test_commands_take_turns_and_one_that_fails_is_not_measured(tmp_path):
    def speaker(code: str, **settings) -> Timed:
        def commands(folder: Path) -> list[turns.Command]:
            return [[sys.executable, "-c", code, str(folder / name)] for name in "ab"]

        return Timed(commands, lambda folder: {"files": sorted(p.name for p in folder.iterdir())}, **settings)

    write = "import os, sys; open(sys.argv[1], 'w').write(os.environ['WANDB_MODE'])"
    fine = speaker(write, at_once=2)
    once = speaker("import sys, time; time.sleep(0.3); open(sys.argv[1], 'w')", most=1)
    broken = speaker("raise SystemExit('no such thing')")
    missing = Timed(lambda folder: [["no-such-program"]], lambda folder: {})
    start = time.monotonic()
    turns.take_turns({"fine": fine, "once": once, "broken": broken, "missing": missing}, 2, tmp_path)
    assert [found["files"] for found in fine.found] == [["a", "b"]] * 2
    assert (tmp_path / "0-2" / "b").read_text() == "offline"
    assert len(once.wall) == 1
    assert once.wall[0] > 0.6  # one after the other
    assert start <= fine.starts[0] < once.starts[0] < fine.starts[1]
    assert (broken.reason, broken.wall) == ("no such thing", [])
    assert missing.reason == "cannot start no-such-program: No such file or directory"


def test_every_contestant_of_a_sweep_exists_and_composes(tmp_path):
    from hydra import compose, initialize_config_dir

    from experiments.command import CONF

    for torch in end_to_end.TORCH_THREADS:
        everyone = end_to_end.contestants(tmp_path, tmp_path / "digits.npz", 100, torch)
        assert torch in everyone
    for name, one in everyone.items():
        found = one.commands(tmp_path)
        assert all(find_spec(command[2]) for command in found)
        if found[0][2] == "experiments.train":
            words = [word for word in found[0][3:] if not word.startswith("seed=range")]
            with initialize_config_dir(CONF, version_base="1.3"):
                config = compose("train", words, return_hydra_config=True)
            assert config.trainer.num_steps == (100 if name != "alone" else 100 * end_to_end.LONGER)
            assert ("basic" in name) == ("Basic" in config.hydra.launcher._target_)
        else:
            assert len(found) == 20
            assert len({tuple(command) for command in found}) == 20
    assert find_spec(sweeps.STUB)


def test_a_script_does_the_work_of_our_run(tmp_path):
    from hydra import compose, initialize_config_dir

    from experiments.command import CONF
    from vaex.training import StopFlag, run

    end_to_end.write_digits(tmp_path / "digits.npz")
    flax_job.main(Job.of([str(tmp_path / "digits.npz"), str(tmp_path / "flax"), "1", "0", "1000"]))
    result = json.loads((tmp_path / "flax" / "result.json").read_text())
    assert list(result["elbos"]) == ["250", "500", "750", "1000"]
    assert list(result["loss"]) == ["200", "400", "600", "800", "1000"]
    words = ["trainer.num_steps=1000", *end_to_end.ALONE]
    with initialize_config_dir(CONF, version_base="1.3"):
        config = plain(compose("train", words))
    ours = run(assemble(config, tmp_path / "ours"), StopFlag())
    # Initialisers and noise differ; untrained, the ELBO is at -44, and at -27 for a decoder that ignores z.
    assert result["elbo"] == pytest.approx(ours["elbo"], rel=0.02)
    assert end_to_end.of_run(tmp_path / "ours")["train"] > 0


def test_the_scripts_batches_are_whole_and_their_weight_rises_over_the_first_half(tmp_path):
    np.savez(tmp_path / "x.npz", train=np.zeros((150, 3), np.float32), test=np.zeros((5, 3), np.float32))
    steps = list(Job(tmp_path / "x.npz", tmp_path, beta=4.0, seed=0, num_steps=8).batches())
    assert [weight for _, weight, _ in steps] == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]
    assert all(len(set(batch)) == 64 for _, _, batch in steps)
    assert len({*steps[0][2], *steps[1][2]}) == 128  # an epoch is two whole batches


def test_a_step_is_counted_once_whatever_the_steps_of_a_call():
    problem = PROBLEMS["digits"]
    loaded = dataset(problem)
    layers = [*problem.encoder_layers(64), *problem.decoder_layers(64)]
    # Forward, by the weights, and by the inputs, of which the first layer's are data: nobody needs that product.
    products = 2 * problem.batch_size * (3 * sum(i * o for i, o in layers) - 64 * 128)
    for num, strategy in ((1, "loop"), (3, "vmap")):
        recipes = [recipe(problem, Bernoulli(), loaded.event_shape, seed=m, num_steps=100) for m in range(num)]
        pack = Pack(recipes, loaded, side_by_side(num, strategy, jax.devices()[:1]))
        found = [work(pack, pack.init(), size) for size in (1, 100)]
        assert found[0].flops == found[1].flops
        assert 1.0 < found[0].flops / (num * products) < 1.3  # the rest is elementwise
        state = sum(leaf.nbytes for leaf in jax.tree.leaves(pack.init()))
        assert found[1].bytes_moved >= 2 * state


def test_an_accelerators_table(monkeypatch, tmp_path, capsys):
    (layers, _), counts, images = accelerator.sizes("cpu")
    monkeypatch.setattr(accelerator, "sizes", lambda platform: ((layers,), counts, images))  # convolutions take seconds
    monkeypatch.setattr(scaling, "SECONDS", 0.01)
    monkeypatch.setitem(precision.PRECISIONS, "tf32", "TF32_TF32_F32")  # as if this device could not
    for name in ("highest", "networks"):  # each costs seconds
        monkeypatch.delitem(accelerator.PRODUCTS, name)
    precision.check_device.cache_clear()
    assert accelerator.main(["platform=cpu", f"output_dir={tmp_path}"]) == 0
    precision.check_device.cache_clear()
    out = capsys.readouterr().out
    content = json.loads((tmp_path / "accelerator.json").read_text())
    assert all(value <= accelerator.TOLERANCE for value in content["differences"].values())
    measured = [name for name in accelerator.PRODUCTS if name != "tf32"]
    expected = [("784-400-20", name, num) for name in measured for num in (1, 2)]
    assert [(p["network"], p["products"], p["members"]) for p in content["points"]] == expected
    assert list(content["refused"]) == ["tf32"]
    assert "not measured: trainer.matmul_precision=tf32: cpu does not multiply so" in out
    assert "trainer.matmul_precision=bfloat16: a CPU multiplies float32 in float32" in out
    assert all(len(p["rates"]) == scaling.REPEATS and min(p["rates"]) > 0 and p["flops"] > 0 for p in content["points"])
    assert content["points"][0]["ratio"] == 1.0
    assert content["card"] is None
    assert "float32 products" in out
    assert scaling.HEAD[3] in out


def test_an_accelerator_that_is_not_there_is_said_in_one_line(monkeypatch, capsys):
    def devices(platform=None):
        if platform is None:
            return []
        raise RuntimeError(f"Unknown backend {platform}")

    monkeypatch.setattr(jax, "devices", devices)
    assert accelerator.main([]) == 0
    assert capsys.readouterr().out.startswith("not measured: jax finds no gpu here")
    assert accelerator.main(["products=fp8"]) == 1
    assert accelerator.main(["gpu"]) == 1


def test_a_point_is_a_fraction_of_its_card():
    card = CARDS["NVIDIA H100 80GB HBM3"]
    point = scaling.Point("784-400-20", "tf32", 64, rates=[1e5], flops=494.7e6, bytes_moved=3.35e6, ratio=11.0)
    cells = dict(zip(scaling.HEAD[:10], point.cells(card, "tf32"), strict=False))
    assert point.cells(card, "tf32")[-4:] == ("49.5", "10.0%", "335", "10.0%")
    assert (cells["goal"], cells["met"]) == (">= 10", "yes")
    assert point.cells(None, "tf32")[-4:] == ("49.5", "", "335", "")
    assert point.as_dict(card, "tf32")["fraction_of_card"] == pytest.approx({"rate": 0.1, "bandwidth": 0.1})
    assert {rate for _, rate in accelerator.PRODUCTS.values()} == set(card.rates)
    assert set(precision.PRECISIONS) < set(accelerator.PRODUCTS)


def test_counts_end_with_the_time_or_the_memory(monkeypatch):
    def measure(point, pack, seconds):
        if point.members == 4:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        point.rates = [10.0]

    monkeypatch.setattr(scaling, "measure", measure)
    problem = PROBLEMS["digits"]
    about = (problem, dataset(problem), jax.devices()[0], "default", {}, (1, 4, 2))
    assert [p.reason for p in scaling.points(*about, until=time.monotonic() + 60)] == ["", "out of memory", ""]
    assert {p.reason for p in scaling.points(*about, until=0.0)} == {"no time left"}
