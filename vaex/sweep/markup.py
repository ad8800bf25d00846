"""HTML as text, with whatever a user typed escaped."""

from html import escape

_EMPTY = {"img", "meta"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(element: str, /, *children: str, **attributes: str | int | None) -> Html:
    """Returns an element: children that are no `Html` are escaped, `class_` is `class`, `data_x` is `data-x`."""
    words = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    opened = f"<{element}{''.join(words)}>"
    return Html(opened if element in _EMPTY else f"{opened}{join(*children)}</{element}>")


def join(*children: str) -> Html:
    """Returns the children one after another."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))


def grid(head: list[Html], body: list[Html], name: str, label: str) -> Html:
    """Returns a table that scrolls in a frame of its own where the page is too narrow for it."""
    table = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_=name)
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label=label)
