"""A folder that somebody else wrote runs nothing, reads and writes nothing elsewhere, and is refused in one message."""

import csv
import hashlib
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

import vaex
from tests.experiments.conftest import SMALL
from tests.experiments.test_mistakes import refused
from vaex._check import VaexError
from vaex.training.files import read_json

EVIL = {"_target_": "os.system", "command": "touch pwned"}
SWEEP = ("-m", *SMALL, "logger=none", "hydra.sweep.dir=sweep", "objective.beta=1,2")
_KEPT: dict[str, Path] = {}


@pytest.fixture
def kept(command, tmp_path, tmp_path_factory):
    """Returns a folder that is trained once, as a copy of the test's own."""

    def copy(name: str, *words: str) -> Path:
        if name not in _KEPT:
            assert command(*words).code == 0
            _KEPT[name] = tmp_path_factory.mktemp("kept") / name
            shutil.move(tmp_path / name, _KEPT[name])
        shutil.copytree(_KEPT[name], tmp_path / name, symlinks=True)
        return tmp_path / name

    return copy


@pytest.fixture
def run(kept):
    return kept("run", *SMALL, "logger=none", "hydra.run.dir=run")


@pytest.fixture
def sweep(kept):
    return kept("sweep", *SWEEP)


@pytest.fixture
def mypkg(tmp_path, monkeypatch):
    """A part of the user's own."""
    text = "from vaex.models import encoders\nfrom flax import linen as nn\nclass Net(encoders.MLP):\n    pass\n"
    (tmp_path / "mypkg.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("mypkg", None)


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def put(path: str, value):
    """Returns a change of the node at a path."""

    def change(content):
        *above, last = path.split("/")
        for key in above:
            content = content[int(key) if key.isdecimal() else key]
        content[int(last) if last.isdecimal() else last] = value

    return change


def checkpoint_of(run: Path) -> Path:
    return max((run / "checkpoint").glob("*.json"))


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        ("config/likelihood", EVIL, "'os.system'"),
        ("config/data", EVIL, "'os.system'"),
        ("config/trainer", EVIL, "'os.system'"),
        ("config/logger", {"wandb": EVIL}, "'os.system'"),
        ("config/encoder/hidden", [8, [EVIL]], "'os.system'"),
        ("config/objective/beta_schedule", EVIL, "'os.system'"),
        ("config/optimizer/learning_rate", {**EVIL, "_partial_": True}, "'os.system'"),
        ("config/prior", {"_target_": "os.system", "_args_": ["touch pwned"]}, "'os.system'"),
        ("config/prior/_recursive_", False, "_recursive_"),
        ("config/prior/_convert_", "all", "_convert_"),
        ("config/prior/_target_", ["os.system"], "['os.system']"),
        ("config/prior/_target_", "vaex.training.job.os.system", "'vaex.training.job.os.system'"),
        ("config/prior/_target_", "mypkg.Net", "trust=[mypkg]"),
        ("config/evaluation/nll_num_samples", EVIL, "nll_num_samples"),
    ],
    ids=str,
)
def test_a_run_that_names_code_is_refused(command, run, mypkg, where, value, named):
    edit(run / "run.json", put(where, value))
    before = sorted(run.rglob("*"))
    refused(command("run=run", "metric=nll", name="evaluate"), str(named), "run")
    assert not Path("pwned").exists()
    assert "mypkg" not in sys.modules
    assert sorted(run.rglob("*")) == before


def test_no_door_runs_what_a_folder_names(command, train, run, sweep):
    """Sweeps that are evaluated, compared or continued, runs that are continued, loaded or started from."""
    edit(run / "run.json", put("config/likelihood", EVIL))
    edit(checkpoint_of(run), put("recipe/model/likelihood", EVIL))
    edit(sweep / "1" / "run.json", put("config/likelihood", EVIL))
    refused(command("run=sweep", "metric=nll", name="evaluate"), "'os.system'")
    assert command("sweep=sweep", "wandb=false", name="compare").code == 0
    refused(train("hydra.run.dir=run"), "likelihood")
    assert train("trainer.init_from=run", "hydra.run.dir=new").code == 0
    with pytest.raises(VaexError, match=r"'os.system'.*trust=\('os',\)"):
        vaex.load(run)
    (sweep / "multirun.yaml").write_text("!!python/object/apply:os.system ['touch pwned']\n${oc.env:SECRET}: 1\n")
    edit(sweep / "1" / "run.json", put("config/likelihood", {"_target_": "vaex.likelihoods.Bernoulli"}))
    (sweep / "1" / "summary.json").unlink()
    assert command(*SWEEP).code == 0
    assert not Path("pwned").exists()


def test_the_users_own_part_trains_and_is_trusted_by_name(command, train, mypkg, monkeypatch):
    own = ("encoder._target_=mypkg.Net", "hydra.run.dir=own")
    assert train(*own).code == 0
    assert train(*own).code == 0  # it goes on, since the command says what it is
    sys.modules.pop("mypkg")
    words = ("run=own", "metric=nll", "metric.nll.num_samples=2", "wandb=false")
    refused(command(*words, name="evaluate"), "'mypkg.Net'", "trust=[mypkg]")
    with pytest.raises(VaexError, match=r"trust=\('mypkg',\)"):
        vaex.load("own")
    assert "mypkg" not in sys.modules
    assert command(*words, "trust=[mypkg]", name="evaluate").code == 0
    assert command(*words, "trust=mypkg", name="evaluate").code == 0
    assert type(vaex.load("own", trust=("mypkg",)).model.encoder).__name__ == "Net"
    monkeypatch.setenv("VAEX_TRUST", "mypkg")
    assert command(*words, name="evaluate").code == 0
    assert vaex.load("own").step == 20
    refused(command(*words, "trust=[my-pkg]", name="evaluate"), "trust: expected names of modules")
    refused(command("sweep=own", "trust=[my-pkg]", name="compare"), "trust: expected names of modules")


def test_presets_and_loggers_are_ours(command, train):
    """What a YAML may name but no checkpoint holds."""
    words = ("objective=tc_vae", "likelihood=mse", "data.binarize=none", "hydra.run.dir=run2")
    assert train(*words, "logger=tensorboard").code == 0
    assert command("run=run2", "metric=nll", "metric.nll.num_samples=2", name="evaluate").code == 0


FILES = {
    "not JSON": "{",
    "a list": "[1]",
    "nothing": "",
    "a number": "3",
    "NaN": '{"status": "completed", "elbo": NaN, "config": {}}',
    "infinity": '{"status": "completed", "elbo": 1e999, "config": {}}',
    "a whole number too large": '{"status": "completed", "elbo": %s}' % ("1" * 400),
    "too deep": "[" * 100_000,
    "another kind": '{"status": 3, "config": [], "version": 1, "jobs": 4, "packs": {}, "evaluations": [3]}',
    "other characters": b"\xff\xfe{}",
    "a folder": None,
}


@pytest.mark.parametrize("what", FILES)
def test_what_is_no_json_is_one_message(tmp_path, what):
    if FILES[what] is None:
        (tmp_path / "run.json").mkdir()
    else:
        (tmp_path / "run.json").write_bytes(FILES[what] if isinstance(FILES[what], bytes) else FILES[what].encode())
    with pytest.raises(VaexError, match=r"run\.json"):
        read_json(tmp_path / "run.json", config=dict)


@pytest.mark.parametrize("what", ["a list", "another kind", "a folder"])
@pytest.mark.parametrize("name", ["run.json", "summary.json", "sweep.json", "evaluation.json"])
def test_a_damaged_file_is_one_message(command, train, sweep, name, what):
    folder = sweep if name == "sweep.json" else sweep / "1"
    (folder / name).unlink(missing_ok=True)
    if FILES[what] is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_text(FILES[what])
    refused(command("sweep=sweep", "wandb=false", name="compare"), name)
    refused(command("run=sweep", "metric=nll", name="evaluate"), name)
    if what == "a list" and name != "evaluation.json":
        refused(command(*SWEEP), name)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *(("config", None), ("config/seed", "x"), ("config/logger", 3), ("config/evaluation", []), ("config/data", [])),
        *(("config/latent_dim", {}), ("config/encoder/hidden", "abc"), ("config/encoder/hidden", {"a": 1})),
        *(("config/trainer/batch_size", None), ("config/data/seed", []), ("group", 3), ("cwd", []), ("config/x", 1)),
    ],
    ids=str,
)
def test_a_config_of_nonsense_is_one_message(command, run, where, value):
    edit(run / "run.json", put(where, value))
    refused(command("run=run", "metric=nll", name="evaluate"), "run")


@pytest.mark.parametrize("value", ["../../../evil", ["a"], 3, "a:b"], ids=str)
def test_an_id_is_no_path(train, run, value):
    edit(run / "run.json", put("wandb_id", value))
    (run / "summary.json").unlink()
    refused(train("hydra.run.dir=run", "logger=wandb"), "wandb_id")
    assert not list(run.parent.rglob("*evil*"))


def test_a_folder_reads_no_environment(command, run, monkeypatch):
    """What looks like an interpolation is text."""
    monkeypatch.setenv("SECRET", "hunter2")
    for where in ("config/likelihood/_target_", "config/seed"):
        edit(run / "run.json", put(where, "${oc.env:SECRET}"))
        done = command("run=run", "metric=nll", name="evaluate")
        refused(done, "${oc.env:SECRET}")
        assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize("key", ["config", "config/data", "config/seed", "config/evaluation", "config/logger"])
def test_a_config_that_lacks_a_key_is_one_message(command, run, key):
    def lacking(content):
        *above, last = key.split("/")
        for word in above:
            content = content[word]
        del content[last]

    edit(run / "run.json", lacking)
    refused(command("run=run", "metric=nll", name="evaluate"), "run")


@pytest.mark.parametrize("damage", ["header", "huge header", "shape", "kind", "more", "bytes"])
def test_a_checkpoint_of_nonsense_is_one_message(command, train, run, damage):
    """Its SHA-256 is right: whoever wrote the folder computed it, too."""
    meta = checkpoint_of(run)
    arrays = load_file(meta.with_suffix(".safetensors"))
    name = next(name for name in arrays if name.startswith(".params"))
    changed = {
        "shape": {name: arrays[name][:1]},
        "kind": {name: arrays[name].astype(np.int64)},
        "more": {".params['more']": np.zeros(3, np.float32)},
    }.get(damage, {})
    content = save(arrays | changed)
    if damage == "header":
        content = struct.pack("<Q", 2) + b"[]"
    elif damage == "huge header":
        content = struct.pack("<Q", 2**63) + content
    elif damage == "bytes":
        content = b"123"
    meta.with_suffix(".safetensors").write_bytes(content)
    edit(meta, put("sha256", hashlib.sha256(content).hexdigest()))
    refused(command("run=run", "metric=nll", name="evaluate"), "run")
    refused(train("trainer.init_from=run"), "run")
    with pytest.raises(VaexError, match="run"):
        vaex.load(run)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *(("recipe", None), ("recipe", []), ("recipe/model", {}), ("recipe/model/event_shape", "abc"), ("step", "x")),
        *(("recipe/model/encoder/hidden", [-1]), ("preparation", 3), ("preparation/shift", {"_array_": [[1], "x"]})),
        *(("recipe/model/likelihood", {"_target_": "vaex.data.Data"}), ("train_seconds", "x"), ("sha256", 3)),
    ],
    ids=str,
)
def test_a_recipe_of_nonsense_is_one_message(run, where, value):
    edit(checkpoint_of(run), put(where, value))
    with pytest.raises(VaexError, match="run"):
        vaex.load(run)


@pytest.mark.parametrize("directory", ["ABSOLUTE", "../elsewhere", "0/../../elsewhere", "link", "link/inside"])
def test_a_sweep_reads_and_writes_inside_its_folder_only(command, train, sweep, run, tmp_path, directory):
    shutil.move(run, tmp_path / "elsewhere")
    (sweep / "link").symlink_to(tmp_path / "elsewhere")
    name = str(tmp_path / "elsewhere") if directory == "ABSOLUTE" else directory
    edit(sweep / "sweep.json", put("jobs/1/directory", name))
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    refused(command("sweep=sweep", name="compare"), "outside")
    refused(command("run=sweep", "metric=nll", name="evaluate"), "outside")
    refused(command(*SWEEP), "outside")
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before


def test_a_lock_that_is_a_link_empties_nothing(train, run, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (run / ".lock").unlink(missing_ok=True)
    (run / ".lock").symlink_to(tmp_path / "precious")
    assert train("hydra.run.dir=run").code == 0
    assert (tmp_path / "precious").read_text() == "mine"


def test_no_cell_is_a_formula(command, sweep):
    """What a spreadsheet would run begins with an apostrophe; negative numbers stay numbers."""
    evil = ["=1+1", "+SUM(A1)", "-cmd|' /C calc'!A0", "@x", "\t=1", "＝1", "-", "-23.5", "1e-3", "+4"]
    (entry,) = json.loads((sweep / "sweep.json").read_text())["jobs"][:1]
    summary = json.loads((sweep / "0" / "summary.json").read_text())
    jobs = []
    for num, value in enumerate(evil):
        jobs.append({**entry, "num": num, "directory": f"job{num}", "overrides": [f"=key={num}", f"name={value}"]})
        (sweep / f"job{num}").mkdir()
        (sweep / f"job{num}" / "summary.json").write_text(json.dumps({**summary, "message": value}))
    edit(sweep / "sweep.json", lambda content: {**content, "jobs": jobs})
    assert command("sweep=sweep", "wandb=false", name="compare").code == 0
    rows = list(csv.reader((sweep / "results.csv").read_text().splitlines()))
    name, message, elbo = (rows[0].index(key) for key in ("name", "message", "elbo"))
    assert [row[name] for row in rows[1:]] == [f"'{v}" for v in evil[:7]] + evil[7:]
    assert [row[message] for row in rows[1:]] == [f"'{v}" for v in evil[:7]] + evil[7:]
    assert all(float(row[elbo]) == summary["elbo"] for row in rows[1:])
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)


def test_html_in_a_folder_is_text_in_the_report(command, sweep):
    evil = "<img src=x onerror=alert(1)>"
    edit(sweep / "1" / "summary.json", lambda c: {**c, "message": evil, "status": "failed", "alarms": [evil]})
    edit(sweep / "sweep.json", put("jobs/1/overrides", [f"objective.beta={evil}"]))
    assert command("sweep=sweep", "wandb=false", name="compare").code == 0
    page = (sweep / "report.html").read_text()
    assert evil not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_terminal_obeys_no_name(command, sweep):
    edit(sweep / "sweep.json", put("jobs/1/overrides", ["objective.beta=\x1b]0;gone\x07"]))
    done = command("sweep=sweep", "wandb=false", name="compare")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\\x1b]0;gone\\x07" in done.out


def test_a_figure_that_is_no_image_is_one_message(command, sweep):
    (sweep / "0" / "figures" / "samples.png").write_bytes(b"no image")
    refused(command("sweep=sweep", "wandb=false", name="compare"), "samples.png")
