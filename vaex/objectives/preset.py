"""What presets share: their refusals name the keys that a preset has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from vaex._check import VaexError


@contextmanager
def own_keys(**renamed: str) -> Iterator[None]:
    """Has a refusal of the ELBO or of its penalty name the preset's key, `objective.NAME`.

    Args:
        **renamed: fields of the penalty that the preset calls something else.
    """
    try:
        yield
    except VaexError as error:

        def key(found: re.Match[str]) -> str:
            return f"objective.{renamed.get(found[2], found[2])}"

        # A penalty's refusal says `objective.penalty.FIELD`, that of a part's number `CLASS.FIELD`.
        message = re.sub(r"(?<![\w.])(objective\.penalty|[A-Z]\w*)\.(\w+)", key, str(error))
        raise VaexError(message) from None
