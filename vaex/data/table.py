"""Reads a `.csv`: numbers in rows of one length, with or without a header row."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from vaex._check import VaexError
from vaex.data.dialect import Dialect
from vaex.data.header import odd_columns, refuse_numbers, refuse_unclear

Lines = list[tuple[int, str]]  # the lines that are not blank, with their numbers in the file, counted from 1
_OTHERS = {";": "semicolon", "\t": "tab", "|": "'|'"}  # separators that a cell holds by mistake, as they are typed
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,'\u00a0\u202f ]\d{3})+([.,]\d*)?")


class Table(NamedTuple):
    """What a file of text holds."""

    values: Float64[np.ndarray, "N D"]
    columns: tuple[str, ...] = ()  # their names, where there is a header
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _Head(NamedTuple):
    """The first row of a table, and what is below it."""

    names: list[str]  # of the columns; empty where there is no header
    body: Lines
    guessed: bool = False  # the names are numbers, and nobody said that they are names


def read_table(path: Path, dialect: Dialect = Dialect()) -> Table:  # noqa: B008 - immutable
    """Returns the table.

    Raises:
        VaexError: where a row is ragged or a cell is no number, with the row's number in the file; where it cannot be
            told whether the first row is a header.
    """
    text, notes = _text(path)
    lines, comments = _lines(text)
    separator = dialect.separator_of(path.suffix.lower())
    if lines and (declared := re.fullmatch(r'"?sep=(.)"?', lines[0][1].strip())):  # as Excel begins a file
        lines, separator = lines[1:], separator or declared[1]
    separator = separator or ","
    head = _head(lines, comments, separator, dialect.header)
    if not head.body:
        raise VaexError(f"{path.name}: expected rows of numbers, found none")
    names, body = _without_trailing(head, separator)
    width = len(names) or len(_cells(body[0][1], separator))
    chosen = dialect.chosen(path.name, width, names)
    if width > 1 and names and not names[0] and (chosen is None or 0 in chosen):
        raise VaexError(
            f"{path.name}, row {lines[0][0]}: the first column has no name, as when pandas writes its index beside "
            "the data; type data.columns=1: to leave it out, or write the file with to_csv(..., index=False)"
        )
    values = _numbers(path.name, body, width, chosen, separator, dialect, named=bool(names))
    warnings = []
    if head.guessed:
        refuse_numbers(path.name, lines[0][0], values)
    if names:
        more = ", ..." if len(names) > 4 else ""
        said = f"{path.name}: header row skipped ({listed(names[:4])}{more})"
        notes += () if head.guessed else (said,)
        warnings += [f"{said}; type data.header=false if it is an example"] if head.guessed else []
    elif dialect.header == "auto":
        refuse_unclear(path.name, body[0][0], values)
    if comments:
        notes += (f"{path.name}: {len(comments)} line{'s' * (len(comments) > 1)} beginning with # skipped",)
    if body is not head.body:
        notes += (f"{path.name}: the separator at the end of every row left out",)
    warnings += odd_columns(path.name, names, values) if chosen is None else ()
    names = [names[i] for i in chosen] if chosen and names else names
    return Table(values, tuple(names), notes, tuple(warnings))


def listed(names: list[str]) -> str:
    """Returns the names, quoted, for a message."""
    return ", ".join(repr(name) for name in names) or "nothing"


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        if b"\0" in content:  # UTF-16, or no text at all
            fix = "save the file as CSV UTF-8"
            raise VaexError(f"{path.name}: expected text in UTF-8; {error}; {fix}") from None
        row = content[: error.start].count(b"\n") + 1
        return content.decode("latin-1"), (f"{path.name}, row {row}: not UTF-8, so read as Latin-1",)


def _lines(text: str) -> tuple[Lines, Lines]:
    """Returns the lines that are not blank, and apart from them those that begin with #."""
    found: tuple[Lines, Lines] = ([], [])
    number, line = 0, ""
    for at, part in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        number, line = (number, f"{line} {part}") if line else (at, part)
        if line.count('"') % 2:
            continue  # a quoted cell goes on
        if line.strip():
            found[line.lstrip().startswith("#")].append((number, line))
        line = ""
    if line:
        found[0].append((number, line))
    return found


def _head(lines: Lines, comments: Lines, separator: str, header: str | bool) -> _Head:
    row = _cells(lines[0][1], separator) if lines else []
    if header is False or not row:
        return _Head([], lines)
    numbers = [_is_number(cell) for cell in row]
    above = [line for number, line in comments if number < lines[0][0]]
    named = _cells(above[-1].lstrip().lstrip("# "), separator) if above else []
    if all(numbers) and len(named) == len(row) > 1:  # as np.savetxt writes a header
        return _Head(named, lines)
    # pandas numbers the columns that have no names: 0,1,2,... is such a header (two columns could well be data).
    guessed = header == "auto" and len(row) > 2 and row == [str(i) for i in range(len(row))]
    no_name = len(row) > 1 and not row[0]  # pandas: the index has none
    return (
        _Head(row, lines[1:], guessed) if header is True or guessed or no_name or not any(numbers) else _Head([], lines)
    )


def _without_trailing(head: _Head, separator: str) -> tuple[list[str], Lines]:
    """Returns the names and the rows without the separator that ends every row, where no column is named there."""
    names, body = head.names, head.body
    if separator == " " or not all(line.rstrip(" ").endswith(separator) for _, line in body):
        if len(names) > 1 and not names[-1] and len(names) == len(_cells(body[0][1], separator)) + 1:
            names = names[:-1]  # at the end of the header alone
        return names, body
    if names and names[-1] and len(names) == len(_cells(body[0][1], separator)):
        return names, body
    names = names[:-1] if names and not names[-1] else names
    return names, [(number, line.rstrip(" ")[: -len(separator)]) for number, line in body]


def _numbers(
    name: str, body: Lines, width: int, chosen: list[int] | None, separator: str, dialect: Dialect, *, named: bool
) -> Float64[np.ndarray, "N D"]:
    if chosen is not None or dialect.comma:
        body = _selected(name, body, width, chosen, separator, dialect)
        separator, width = "\t", width if chosen is None else len(chosen)
    try:
        # NumPy's parser reads in C and refuses ragged rows and cells that are no numbers, if not by their line.
        delimiter = None if separator == " " else separator
        lines = [line for _, line in body]
        table = np.loadtxt(lines, delimiter=delimiter, ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        why = _first_bad_row(body, width, separator, named=named)
        if why:
            raise VaexError(f"{name}, {why}") from None
        if '"' not in "".join(lines):
            raise VaexError(f"{name}: {error}") from None
        lines = ["\t".join(_cells(line, separator)) for line in lines]  # a space stands before a quote
        table = np.loadtxt(lines, delimiter="\t", ndmin=2, comments=None)
    if table.shape[1] != width:
        hint = _separator_hint(body[0][1], separator)
        raise VaexError(f"{name}: the header row names {width} columns, the rows have {table.shape[1]}{hint}")
    return table


def _selected(name: str, body: Lines, width: int, chosen: list[int] | None, separator: str, dialect: Dialect) -> Lines:
    """Returns the rows with the columns asked for, between tabs, and with decimal points."""
    rows = []
    for number, line in body:
        cells = _cells(line, separator)
        if len(cells) != width:
            raise VaexError(f"{name}, row {number}: {_ragged(width, len(cells))}{_separator_hint(line, separator)}")
        cells = cells if chosen is None else [cells[i] for i in chosen]
        if dialect.comma:
            for cell in cells:
                if "." in cell:
                    raise VaexError(
                        f"{name}, row {number}: expected decimal commas, got {cell!r}; write numbers without "
                        "thousands separators, or leave out data.decimal=comma"
                    )
            cells = [cell.replace(",", ".") for cell in cells]
        rows.append((number, "\t".join(cells)))
    return rows


def _first_bad_row(body: Lines, width: int, separator: str, *, named: bool) -> str | None:
    for number, line in body:
        row = line.split("\t") if separator == "\t" else _cells(line, separator)
        if len(row) != width:
            return f"row {number}: {_ragged(width, len(row))}{_separator_hint(line, separator)}"
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                what = f"got {cell!r}" if cell else "the cell is empty"
                first = number == body[0][0] and not named
                fix = _separator_hint(line, separator) or _cell_hint(cell, first=first)
                return f"row {number}, column {column}: expected a number, {what}{fix}"
    return None


def _ragged(width: int, got: int) -> str:
    return f"expected {width} cells as in the first row, got {got}"


def _separator_hint(line: str, separator: str) -> str:
    """Returns the line to type where the cells seem to be separated by something else."""
    for other, word in _OTHERS.items():
        if other in line and other != separator:
            decimal = separator == "," and other != "|" and re.search(r"\d,\d", line)
            return f"; type data.separator={word}{' data.decimal=comma' if decimal else ''}"
    parts = line.split()
    spaced = separator == "," and len(parts) > 1 and "," not in line and all(map(_is_number, parts))
    return "; type data.separator=space" if spaced else ""


def _cell_hint(cell: str, *, first: bool) -> str:
    if not cell:
        return "; fill it in, remove the row, or leave the column out with data.columns"
    if re.fullmatch(r"[+-]?\d+,\d+([eE][+-]?\d+)?", cell) and not _THOUSANDS.fullmatch(cell):
        return "; type data.decimal=comma"
    if _THOUSANDS.fullmatch(cell):
        return "; write numbers without thousands separators (with a decimal comma, type data.decimal=comma)"
    header = "type data.header=true if this row names the columns, or " if first else ""
    return f"; {header}leave the column out with data.columns (names, places from 0, or 1: for all but the first)"


def _cells(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number, a table does not
