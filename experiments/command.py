"""What every command does alike: exit codes, and one clear message for a mistake.

Hydra would print a traceback for a mistake of ours, and for an unknown key the advice to add it with `+`.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
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
from vaex._write import CannotWrite, of_writing
from vaex.lines import command_line, setting, word

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
    return again("train", f"hydra.{key}", folder)


def again(name: str, key: str = "", folder: str = "") -> str:
    """Returns the line that starts this command again, in a folder where there is one."""
    words = [typed for typed in sys.argv[1:] if not (key and typed.startswith(f"{key}="))]
    return command_line(name, *words, *([word(key, folder)] if key else []))


def is_sweep(hydra: Any) -> bool:
    """Whether the job belongs to a sweep."""
    return str(hydra.mode).endswith("MULTIRUN")


@contextmanager
def mistakes(hydra: Any) -> Iterator[None]:
    """Ends a single run at a mistake; in a sweep the launcher takes note of it and goes on with the next job."""
    try:
        import_jax()
        yield
    except CannotWrite as error:
        if is_sweep(hydra):
            raise  # the sweep's own end says how to go on
        _fail(said(error, str(hydra.job.config_name)), None)
    except VaexError as error:
        from experiments.hooks import note_failure, restore_configs

        folder = Path(hydra.runtime.output_dir)
        restore_configs(folder)
        if is_sweep(hydra):
            note_failure(folder, str(error), [str(o) for o in hydra.overrides.task])
            raise
        _fail(str(error), None)
    except Exception as error:
        if is_sweep(hydra) and of_writing(error) is None:
            from experiments.hooks import note_failure

            message = f"{type(error).__name__}: {error}"
            note_failure(Path(hydra.runtime.output_dir), message, [str(o) for o in hydra.overrides.task])
        raise


def command(app: Callable[[], Any], config_name: str = "train") -> None:
    """Runs a Hydra application.

    Exits with 0 when it completed, 1 after a mistake or a failed run (its message on stderr, without a traceback), 130
    after Ctrl-C and 143 after SIGTERM.
    """
    from experiments.hooks import report_if_sweep, started_sweeps, where

    signal.signal(signal.SIGTERM, _exit_on)
    where().clear()
    started: list[Path] = []
    unfinished: list[str] = []
    one_is_enough: Any = nullcontext()  # message of a full disk
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises instead of printing; the message is ours
    try:
        sys.argv[1:] = understood(sys.argv[1:])
        try:
            _run(app, config_name)
        except BaseException as error:
            one_is_enough = suppress(CannotWrite) if of_writing(error) else one_is_enough
            raise
        finally:
            started = started_sweeps()
            with one_is_enough:
                unfinished = report_if_sweep()
        sys.stdout.flush()
        if unfinished:
            raise VaexError(_listed(unfinished))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        nothing = "stopped before the first step; nothing was computed"
        lines = [
            f"stopped; to make the report: python -m experiments.compare {setting('sweep', folder)}"
            for folder in started
        ]
        print("\n".join(lines) or nothing, file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except VaexError as error:
        _fail(said(error, config_name), full_error)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, AssertionError) as error:
        if isinstance(error, ValueError) and (refusal := of_writing(error)):  # of a log file
            _fail(said(refusal, config_name), full_error)
        message = explain(error, config_name)
        if message is None and unfinished:  # of which a sweeper makes an error of its own
            message = f"{_listed(unfinished)}\n{error}"
        if message is None:
            raise
        _fail(message, full_error)
    except OSError as error:
        if of_writing(error) is None:
            raise
        _fail(said(CannotWrite(error, error.filename or _what_is_full()), config_name), full_error)
    finally:
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _what_is_full() -> str | None:
    """Returns the command's folder, or None for its output, whose rest must not be tried again when Python ends."""
    from experiments.hooks import where

    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None
    return next(iter(where()[1:]), None)


def said(error: VaexError, name: str) -> str:
    """Returns what is said of a mistake; where the disk takes no more, with the line that goes on."""
    from experiments.hooks import where

    if not isinstance(error, CannotWrite):
        return str(error)
    key, folder = where() or ("", "")
    line = f"{error}\nnothing that was saved is lost; continue with: {again(name, key, folder)}"
    nothing_yet = bool(key) and not any(Path(folder).glob("*.json"))
    return f"{line}\nor choose another folder with output_dir=" if nothing_yet else line


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
