"""Strips cut from the figures of runs: the first test images, their reconstructions, and samples."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

from vaex.sweep.results import Result
from vaex.sweep.settings import Setting
from vaex.training.figures import COLUMNS

SHOWN = 8
_BANDS = 4  # rows of reconstructions.png: originals, reconstructions, and again


class Strips(NamedTuple):
    """Of one setting's first job that has figures, as addresses of embedded images."""

    job: Result
    originals: str
    reconstructions: str
    samples: str


def strips(setting: Setting) -> Strips | None:
    """Returns the strips of a setting, or None where no job of it has figures."""
    for job in setting.jobs:
        pairs, samples = (job.folder / "figures" / f"{name}.png" for name in ("reconstructions", "samples"))
        if pairs.exists() and samples.exists():
            return _cut(job, pairs, samples)
    return None


def _cut(job: Result, pairs: Path, samples: Path) -> Strips:
    from PIL import Image

    with Image.open(pairs) as sheet:
        width, height = SHOWN * sheet.width // COLUMNS, sheet.height // _BANDS
        originals = sheet.crop((0, 0, width, height))
        reconstructions = sheet.crop((0, height, width, 2 * height))
    with Image.open(samples) as sheet:
        generated = sheet.crop((0, 0, width, height))
    return Strips(job, _embedded(originals), _embedded(reconstructions), _embedded(generated))


def _embedded(strip: Any) -> str:
    """A `data:` address: exact where grey; WebP where coloured, a tenth of the size."""
    kind = "png" if strip.mode == "L" else "webp"
    content = io.BytesIO()
    strip.save(content, kind, **({"optimize": True} if kind == "png" else {"quality": 90}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
