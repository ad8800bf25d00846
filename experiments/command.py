"""What every command does alike: exit codes, and one clear message for a mistake.

Hydra would print a traceback for a mistake of ours, and for an unknown key the advice to add it with `+`.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra.errors import ConfigCompositionException, HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from experiments.device import import_jax
from experiments.explain import CONF, explain
from experiments.swept_choices import of_swept_choices
from experiments.words import understood
from vaex._check import VaexError

__all__ = ["CONF", "Stopped", "command", "continuation", "is_sweep", "mistakes"]
SHOWN = 10  # failures of a sweep that are listed


class Stopped(SystemExit):
    """A signal ended the run after its checkpoint; an exit, so that the rest of a sweep ends as well."""

    def __init__(self, code: int, hydra: Any):
        with suppress(OSError):  # the terminal may be gone
            print(f"continue with: {continuation(hydra)}", file=sys.stderr, flush=True)
        super().__init__(code)


def continuation(hydra: Any) -> str:
    """Returns the line that goes on with a run or a sweep."""
    key, folder = ("sweep.dir", hydra.sweep.dir) if is_sweep(hydra) else ("run.dir", hydra.runtime.output_dir)
    words = [word for word in sys.argv[1:] if not word.startswith(f"hydra.{key}=")]
    return shlex.join(["python", "-m", "experiments.train", *words, f"hydra.{key}={folder}"])


def is_sweep(hydra: Any) -> bool:
    """Whether the job belongs to a sweep."""
    return str(hydra.mode).endswith("MULTIRUN")


@contextmanager
def mistakes(hydra: Any) -> Iterator[None]:
    """Ends a single run at a mistake; in a sweep the launcher takes note of it and goes on with the next job."""
    try:
        import_jax()
        yield
    except VaexError as error:
        from experiments.hooks import note_failure, restore_configs

        folder = Path(hydra.runtime.output_dir)
        restore_configs(folder)
        if is_sweep(hydra):
            note_failure(folder, str(error), [str(o) for o in hydra.overrides.task])
            raise
        _fail(str(error), None)
    except Exception as error:
        if is_sweep(hydra):
            from experiments.hooks import note_failure

            message = f"{type(error).__name__}: {error}"
            note_failure(Path(hydra.runtime.output_dir), message, [str(o) for o in hydra.overrides.task])
        raise


def command(app: Callable[[], Any], config_name: str = "train") -> None:
    """Runs a Hydra application.

    Exits with 0 when it completed, 1 after a mistake or a failed run (its message on stderr, without a traceback), 130
    after Ctrl-C and 143 after SIGTERM.
    """
    from experiments.hooks import report_if_sweep, started_sweeps

    signal.signal(signal.SIGTERM, _exit_on)
    started: list[Path] = []
    unfinished: list[str] = []
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises instead of printing; the message is ours
    try:
        sys.argv[1:] = understood(sys.argv[1:])
        try:
            _run(app, config_name)
        finally:
            started = started_sweeps()
            unfinished = report_if_sweep()
        if unfinished:
            raise VaexError(_listed(unfinished))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        nothing = "stopped before the first step; nothing was computed"
        lines = [f"stopped; to make the report: python -m experiments.compare sweep={folder}" for folder in started]
        print("\n".join(lines) or nothing, file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except VaexError as error:
        _fail(str(error), full_error)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, AssertionError) as error:
        message = explain(error, config_name)
        if message is None and unfinished:  # of which a sweeper makes an error of its own
            message = f"{_listed(unfinished)}\n{error}"
        if message is None:
            raise
        _fail(message, full_error)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"cannot write to {error.filename}: {error.strerror}; choose another folder with output_dir=", full_error)


def _listed(unfinished: Sequence[str]) -> str:
    more = f"\nand {len(unfinished) - SHOWN} more" if len(unfinished) > SHOWN else ""
    return "\n".join(unfinished[:SHOWN]) + more


def _run(app: Callable[[], Any], config_name: str) -> None:
    """Runs the application; once more where Hydra refused a key that every swept choice has."""
    try:
        app()
    except ConfigCompositionException as error:
        words = of_swept_choices(error, sys.argv[1:], config_name)
        if words is None:
            raise
        sys.argv[1:] = words
        app()


def _exit_on(number: int, frame: object) -> NoReturn:
    del frame
    sys.exit(128 + number)


def _fail(message: str, full_error: str | None) -> NoReturn:
    if full_error:
        raise
    print(message, file=sys.stderr, flush=True)
    sys.exit(1)
