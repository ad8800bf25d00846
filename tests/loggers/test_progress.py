"""Progress on a terminal (a real pseudo-terminal) and elsewhere (log lines), by a clock of our own."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import textwrap
import threading
import time
import types

import pytest

from vaex.loggers import Progress, progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns: `clock.now += 1`."""
    turned = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: turned.now)
    return turned


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "vaex")
    return lambda: [record.getMessage() for record in caplog.records]


def test_line_holds_step_rate_elbo_and_time_left(clock, said):
    with Progress(2000) as bar:
        clock.now += 7.0  # the program compiles: no part of the rate
        for step in range(100, 2001, 100):
            bar.elbo(0, -25.307)
            bar.update(step)
            clock.now += 1.0
    first, *_, last = said()
    # The first second has no rate to tell; from the 2nd call on it is 100 steps/s, and (2000 - 200) / 100 s are left.
    assert first == "step 200/2000  100.0 steps/s  elbo -25.31 nats  eta 0:00:18"
    assert last == "step 2000/2000  95.0 steps/s  elbo -25.31 nats  eta 0:00:00"  # 1900 steps in 20 s


def test_lines_come_at_tenths_and_seldom(clock, said):
    with Progress(1000) as bar:
        for step in range(1, 1001):
            bar.update(step)
            clock.now += 0.2  # a tenth takes 20 s: more than 5 s, so each tenth speaks
    steps = [int(line.split("/")[0].split()[1]) for line in said()]
    # Looked at each quarter second, so a tenth is seen up to two steps late.
    assert [step // 100 for step in steps] == list(range(1, 11))
    assert all(step % 100 <= 2 for step in steps)


def test_fast_run_speaks_every_five_seconds(clock, said):
    times = []
    with Progress(1000) as bar:
        for step in range(1, 1001):
            bar.update(step)
            clock.now += 0.02  # 20 s in all, a tenth each 2 s
            times += [clock.now] * (len(said()) - len(times))
    gaps = [late - early for early, late in zip([1000.0, *times], times, strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 5.0


def test_run_of_a_moment_says_one_line(clock, said):
    with Progress(10, "beta=4") as bar:
        for step in range(1, 11):
            bar.elbo(0, -1.0)
            bar.update(step)
            clock.now += 0.01
    # 9 steps in the 0.1 s since the first one was done
    assert said() == ["beta=4  step 10/10  90.0 steps/s  elbo -1.00 nats  eta 0:00:00"]


def test_resumed_run_counts_its_own_steps_only(clock, said):
    with Progress(1000, start=900) as bar:
        for step in range(910, 1001, 10):
            bar.update(step)
            clock.now += 1.0
    assert said()[-1] == "step 1000/1000  9.0 steps/s  eta 0:00:00"  # 90 steps in 10 s, not 990


def test_latest_elbo_stays_until_there_is_another(clock, said):
    with Progress(3) as bar:
        bar.elbo(0, -30.0)
        bar.update(1)
        bar.update(2)
        clock.now += 1.0
        bar.update(3)
    assert "elbo -30.00 nats" in said()[-1]


def test_a_pack_says_how_many_the_range_of_their_elbos_and_the_steps_of_all(clock, said):
    with Progress(100, "beta=4", members=3) as bar:
        for step in range(10, 101, 10):
            for member, elbo in enumerate((-25.0, -31.5, -24.0)):
                bar.elbo(member, elbo - step)
            bar.update(step, diverged=int(step > 50))
            clock.now += 1.0
    # 3 members of 10 steps/s each
    assert said()[-1] == (
        "3 members  step 100/100  27.0 member-steps/s  elbo -131.50 to -124.00 nats  eta 0:00:00  1 diverged"
    )


def test_interrupted_run_says_where_it_stopped(clock, said):
    def train():
        with Progress(1000) as bar:
            bar.update(400)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert said() == ["step 400/1000"]


def test_call_costs_next_to_nothing():
    # It is made after each device call, of perhaps 0.2 ms; 1 % of that is 2 us. It takes about 0.3 us untyped; the
    # type checks of the tests cost some 30 us more, so they are stripped here.
    update = Progress.update
    while hasattr(update, "__wrapped__"):
        update = update.__wrapped__
    bar = Progress(10**6)
    bar._due = float("inf")
    start = time.process_time()
    for step in range(10_000):
        update(bar, step)
    assert (time.process_time() - start) / 10_000 < 2e-6


TERMINAL = """
    import logging, sys, time
    from vaex.loggers import Progress

    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="[%(name)s] %(message)s")
    with Progress(40, "beta=4") as bar:
        for step in range(1, 41):
            bar.elbo(0, -25.3)
            bar.update(step)
            time.sleep(0.02)
            if step == 20:
                logging.getLogger("elsewhere").info("half of the way")
                print("printed")
    logging.getLogger("elsewhere").info("over")
"""


def at_a_terminal(program, **keywords):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=theirs, stdout=keywords.get("stdout", theirs),
        stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # the terminal is gone with its last process
        pass
    os.close(ours)
    rest = process.stdout.read() if process.stdout else b""
    if process.stdout:
        process.stdout.close()
    assert process.wait(timeout=30) == 0
    return said.decode(), rest.decode()


def screen(said):
    """What a terminal shows in the end: carriage return, cursor up, and clear line are all that `rich` uses."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", said):
        if token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b["):
            if token.endswith("A"):
                row -= int(token[2:-1] or 1)
            elif token.endswith("K"):
                lines[row] = ""
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines if line.strip()]


def test_bar_shows_progress_and_leaves_other_lines_whole():
    shown = screen(at_a_terminal(TERMINAL)[0])
    assert shown[:2] == ["[elsewhere] half of the way", "printed"]
    assert re.fullmatch(r"beta=4 \S+ +40/40 +[\d.]+ steps/s  elbo -25\.30 nats  eta 0:00:00", shown[2])
    assert shown[3:] == ["[elsewhere] over"]


def test_a_pack_is_one_live_table():
    program = TERMINAL.replace('Progress(40, "beta=4")', 'Progress(40, "beta=4", members=20)')
    program = program.replace("bar.elbo(0, -25.3)", "bar.elbo(step % 20, -25.3 - step % 2)")
    shown = screen(at_a_terminal(program)[0])
    assert shown[:2] == ["[elsewhere] half of the way", "printed"]
    assert shown[2].split() == ["members", "step", "elbo", "(nats)", "member-steps/s", "eta", "diverged"]
    assert re.search(r"20 +40/40 .* -26.30 to -25.30 +[\d.]+ +0:00:00 +0$", shown[4])
    assert shown[-1] == "[elsewhere] over"


def test_redirected_stdout_keeps_its_lines():
    shown, redirected = at_a_terminal(TERMINAL, stdout=subprocess.PIPE)
    assert redirected.splitlines() == ["[elsewhere] half of the way", "printed", "[elsewhere] over"]
    assert [line.split()[0] for line in screen(shown)] == ["beta=4"]


def test_bar_gives_streams_and_handlers_back_and_starts_no_thread(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(terminal)
    logging.getLogger("elsewhere").addHandler(handler)
    threads = threading.active_count()

    def train():
        with Progress(10) as bar:
            bar.update(5)
            assert handler.stream is not terminal
            assert threading.active_count() == threads
            raise RuntimeError

    try:
        with pytest.raises(RuntimeError):
            train()
    finally:
        logging.getLogger("elsewhere").removeHandler(handler)
    assert handler.stream is terminal
    assert sys.stderr is terminal
    assert "5/10" in terminal.getvalue()
