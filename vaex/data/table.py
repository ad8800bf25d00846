"""Reads a `.csv`: numbers in rows of one length, with or without a header row."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from vaex._check import VaexError

Lines = list[tuple[int, str]]  # the lines that are not blank, with their numbers in the file, counted from 1


def read_table(path: Path) -> tuple[Float64[np.ndarray, "N D"], tuple[str, ...]]:
    """Returns the table, and a note where a header row was skipped.

    Raises:
        VaexError: where a row is ragged or a cell is no number, with the row's number in the file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise VaexError(f"{path.name}: expected text in UTF-8; {error}") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    header = _header(path.name, lines)
    body = lines[1:] if header else lines
    if not body:
        raise VaexError(f"{path.name}: expected rows of numbers, found none")
    try:
        # NumPy's parser reads in C and refuses ragged rows and cells that are no numbers, if not by their line.
        table = np.loadtxt([line for _, line in body], delimiter=",", ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        raise VaexError(f"{path.name}, {_first_bad_row(body, len(_cells(lines[0][1]))) or error}") from None
    if table.shape[1] != len(_cells(lines[0][1])):
        raise VaexError(f"{path.name}: the header row names {len(header)} columns, the rows have {table.shape[1]}")
    more = ", ..." if len(header) > 4 else ""
    return table, (f"{path.name}: header row skipped ({listed(header[:4])}{more})",) if header else ()


def listed(names: list[str]) -> str:
    """Returns the names, quoted, for a message."""
    return ", ".join(repr(name) for name in names) or "nothing"


def _header(name: str, lines: Lines) -> list[str]:
    """Returns the cells of the first row where they are names, or nothing where they are numbers."""
    row = _cells(lines[0][1]) if lines else []
    if len(row) > 1 and not row[0]:
        raise VaexError(
            f"{name}, row {lines[0][0]}: the first column has no name, as when pandas writes its index beside the "
            "data; write the file with to_csv(..., index=False)"
        )
    # pandas numbers the columns that have no names: 0,1,2,... is such a header (two columns could well be data).
    numbered = len(row) > 2 and row == [str(i) for i in range(len(row))]
    return row if numbered or not any(_is_number(cell) for cell in row) else []


def _first_bad_row(body: Lines, width: int) -> str | None:
    for number, line in body:
        row = _cells(line)
        if len(row) != width:
            return f"row {number}: expected {width} cells as in the first row, got {len(row)}"
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                what = f"got {cell!r}" if cell else "the cell is empty"
                return f"row {number}, column {column}: expected a number, {what}"
    return None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number, a table does not
