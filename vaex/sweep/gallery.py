"""The same test images through every setting: one row each, nothing picked."""

from vaex.sweep.images import SHOWN, Strips, strips
from vaex.sweep.markup import Html, tag
from vaex.sweep.settings import REPLICATES, Comparison, Panel, Setting

_OPEN = 12  # rows before the rest is folded away
_EXPLAINED = (
    f"The first {SHOWN} images of the test split and the first {SHOWN} samples, unpicked, of each setting's first job. "
    "Samples are means of p(x|z) at draws of z from the prior, the same in every row of one latent size."
)


def gallery(comparison: Comparison) -> list[Html]:
    """Returns the rows of images, by measure where there are several, or the reason why there are none."""
    parts = []
    for panel in comparison.panels:
        if len(comparison.panels) > 1:
            parts.append(tag("h3", panel.measure))
        parts += _of_panel(comparison, panel)
    return [tag("p", _EXPLAINED, class_="soft"), *parts] if any("<img" in part for part in parts) else parts


def _of_panel(comparison: Comparison, panel: Panel) -> list[Html]:
    by_originals: dict[str, list[tuple[Setting, Strips]]] = {}
    without = []
    for setting in panel.settings:
        if (found := strips(setting)) is None:
            without.append(comparison.label(setting))
        else:
            by_originals.setdefault(found.originals, []).append((setting, found))
    if not by_originals:
        return [tag("p", "Left out: these runs have no figures, since their data are no images or they ended early.")]
    parts = [part for rows in by_originals.values() for part in _rows(comparison, rows)]
    return [*parts, tag("p", f"Without figures: {'; '.join(without)}.", class_="soft")] if without else parts


def _rows(comparison: Comparison, rows: list[tuple[Setting, Strips]]) -> list[Html]:
    """Originals once on top; many rows are folded away."""
    drawn = [_row(comparison, setting, found) for setting, found in rows]
    top = tag(
        "tr", tag("th", "originals", scope="row"), tag("td", _image(rows[0][1].originals, "originals")), tag("td")
    )
    columns = ("", "reconstructions", "samples")
    head = tag("thead", tag("tr", *(tag("th", name, scope="col" if name else None) for name in columns)))
    parts = [tag("table", head, tag("tbody", top, *drawn[:_OPEN]), class_="strips")]
    if folded := drawn[_OPEN:]:
        rest = tag("table", tag("tbody", *folded), class_="strips")
        parts.append(tag("details", tag("summary", f"{len(folded)} more settings"), rest))
    return parts


def _row(comparison: Comparison, setting: Setting, found: Strips) -> Html:
    name = comparison.label(setting)
    seeds = [f"{comparison.names[key]}={found.job.value(key)}" for key in REPLICATES if key in comparison.names]
    ended = [] if found.job.status == "completed" else [found.job.status]
    collapsed = ["collapsed"] if setting.collapsed() else []
    return tag(
        "tr",
        tag("th", name, tag("small", ", ".join([*seeds, *ended, *collapsed])), scope="row"),
        tag("td", _image(found.reconstructions, f"reconstructions at {name}")),
        tag("td", _image(found.samples, f"samples at {name}")),
    )


def _image(address: str, alt: str) -> Html:
    return tag("img", src=address, alt=alt)
