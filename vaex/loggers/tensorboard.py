"""TensorBoard's event files, written without TensorFlow or PyTorch."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from vaex._write import make_folder
from vaex.loggers.base import RunInfo


@dataclass(frozen=True)
class Tensorboard:
    """Event files in the run's folder: scalars `train/loss`, images `figures/*`."""

    folder: str = "tensorboard"

    def check(self, run: RunInfo) -> None:
        """Every run can be."""

    def open(self, run: RunInfo) -> "TensorboardLog":
        """Returns a log in a new event file, which hides what earlier files hold beyond the checkpoint's step."""
        folder = run.folder / self.folder
        make_folder(folder, parents=True)
        return TensorboardLog(folder, first_step=0 if run.resumed_at is None else run.resumed_at + 1)


class TensorboardLog:
    """One open event file; no thread, no queue."""

    closing_line = None

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2, summary_pb2

        # The messages' classes are made at import, where no type checker sees them.
        self._event: Any = event_pb2
        self._summary: Any = summary_pb2.Summary  # pyright: ignore[reportAttributeAccessIssue]
        # Two files of one second share a name but for the suffix, and TensorBoard reads files in the order of names.
        self._writer = EventsWriter(str(folder / "events"), f".{len(list(folder.iterdir())):04d}")
        # On meeting a START, TensorBoard drops the events it has seen whose step is not below the START's.
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._write(first_step, session_log=start)

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event.Event(step=step, wall_time=time.time(), **content))

    def metrics(self, step: int, split: str, values: Mapping[str, SupportsFloat | None]) -> None:
        """Adds the numbers as `split/name`, in one event; what is not there (None) leaves no point."""
        points = [
            self._summary.Value(tag=f"{split}/{name}", simple_value=float(value))
            for name, value in values.items()
            if value is not None
        ]
        self._write(step, summary=self._summary(value=points))
        if split != "train":
            self._writer.flush()  # it syncs the disk, so not at every line of training

    def figure(self, name: str, path: Path, step: int) -> None:
        """Adds the PNG's own bytes as the image `figures/name`."""
        from PIL import Image

        with Image.open(path) as image:
            width, height = image.size
        picture = self._summary.Image(width=width, height=height, encoded_image_string=path.read_bytes())
        self._write(step, summary=self._summary(value=[self._summary.Value(tag=f"figures/{name}", image=picture)]))

    def close(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Writes what is left and closes the file."""
        self._writer.close()
