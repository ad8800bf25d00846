"""The figure of weights that move: there where there are some, and only there."""

import json

from vaex.sweep import compare


def write_rows(folder, rows):
    lines = [json.dumps({"split": "train", **row}) for row in rows]
    lines.append(json.dumps({"split": "test", "step": 100, "beta": 9.0, "rate": 9.0}))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def test_a_closed_loop_is_drawn_beside_a_fixed_beta(job, tmp_path):
    moving, fixed = job("0", "objective=target_rate"), job("1", "objective=elbo")
    about = {"distortion": 20.0, "loss": 24.0}
    write_rows(moving, [{"step": s, "beta": s / 100, "rate": 5.0 + 50 / s, "target": 5.0, **about} for s in (50, 100)])
    write_rows(fixed, [{"step": s, "beta": 1.0, "rate": 4.0, **about} for s in (50, 100)])
    compare([tmp_path / "sweep"])
    text = (tmp_path / "sweep" / "report.html").read_text()
    section = text.split("Weights that moved by themselves")[1].split("</section>")[0]
    assert section.count("<svg") == 3
    assert "objective=target_rate" in section
    assert "objective=elbo" in section
    assert section.index("objective=target_rate") < section.index("objective=elbo")  # the moving ones first


def test_without_one_there_is_no_section(job, tmp_path):
    folder = job("0", "objective.beta=1")
    job("1", "objective.beta=2")  # without a file of its own
    write_rows(folder, [{"step": 50, "beta": 0.5, "rate": 4.0}])
    compare([tmp_path / "sweep"])
    assert "Weights that moved" not in (tmp_path / "sweep" / "report.html").read_text()
