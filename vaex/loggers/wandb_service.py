"""Weights & Biases behind its logger: whether its server can be reached, and the process it runs here."""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

LOG = logging.getLogger("vaex")

HEAD_SECONDS = 2.0
# Names are resolved, and keys verified, with no such limit of their own; the whole must stay under 5 s.
TOTAL_SECONDS = 3.0

_gone: dict[str, str] = {}


def why_offline(base_url: str) -> str | None:
    """Returns what keeps runs from `base_url`: no key, no server, an earlier failure; None if nothing does.

    Never asks at the terminal, and never takes longer than a few seconds.
    """
    return _gone.get(base_url) or _refusal(base_url)


def give_up(base_url: str, reason: str) -> None:
    """Makes `why_offline` return `reason` from now on, so that the members of a sweep do not each wait in vain."""
    _gone[base_url] = reason


@functools.cache
def warn_once(text: str) -> None:
    """Logs `text` as a warning, the first time only: a sweep says it once and not once a member."""
    LOG.warning("%s", text)


@contextlib.contextmanager
def exit_hooks_kept() -> Iterator[None]:
    """W&B wraps `sys.exit` and `sys.excepthook` for each run and leaves it so; the runner tells it the exit code."""
    kept = sys.exit, sys.excepthook
    try:
        yield
    finally:
        sys.exit, sys.excepthook = kept


def restart() -> bool:
    """Ends W&B's process, which holds the id of a run that failed to start; False where other runs live in it."""
    import wandb
    from wandb.sdk import wandb_setup

    if wandb_setup.singleton().most_recent_active_run is not None:
        return False
    wandb.teardown()
    return True


def forget_if_dead(error: Exception) -> None:
    """Where W&B's process died: the next run shall get a new one, and Python's exit no traceback about the old one."""
    # Nothing is left to fail: W&B may not even be importable, or hand on the exit code of the dead process.
    with contextlib.suppress(Exception, SystemExit):
        import wandb
        from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

        if isinstance(error, (ConnectionError, HandleAbandonedError, MailboxClosedError)):
            wandb.teardown()


@functools.cache
def _refusal(base_url: str) -> str | None:
    """`why_offline`, asked once a process."""
    from wandb.errors import Error
    from wandb.sdk.lib import wbauth

    try:  # W&B's own look-up: environment, netrc, settings
        found = wbauth.authenticate_session(host=base_url, source="vaex", prompt=False, update_session=False)
    except Error as error:
        return str(error)
    if found is None:
        return "no API key"
    answer: list[str | None] = []
    thread = threading.Thread(target=lambda: answer.append(_ask(base_url, found)), name="wandb-reach", daemon=True)
    thread.start()
    thread.join(TOTAL_SECONDS)
    return answer[0] if answer else f"{base_url} does not answer within {TOTAL_SECONDS} s"


def _ask(base_url: str, key: Any) -> str | None:
    """Returns why the server cannot be used with this key, or None."""
    import requests  # honours the proxies that W&B honours too

    try:
        requests.head(base_url, timeout=HEAD_SECONDS, allow_redirects=False)
    except requests.exceptions.SSLError:
        pass  # a certificate that Python does not trust shows a server all the same; W&B has roots of its own
    except (OSError, ValueError) as error:
        return f"{base_url} cannot be reached ({type(error).__name__})"
    try:
        key.verify()
    except Exception as error:
        return str(error)
    return None
