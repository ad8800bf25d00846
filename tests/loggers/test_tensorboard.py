"""TensorBoard's event files, read back record by record."""

import struct

import pytest

from vaex.loggers import Tensorboard


def masked_crc32c(data):
    """CRC-32C (Castagnoli), rotated and shifted as the TFRecord format wants it; bit by bit, from its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(run):
    """All events in the order TensorBoard reads them, checksums checked."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted((run.folder / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            header, (size, crc) = data[:8], struct.unpack("<QI", data[:12])
            body = data[12 : 12 + size]
            assert crc == masked_crc32c(header)
            assert struct.unpack("<I", data[12 + size : 16 + size]) == (masked_crc32c(body),)
            yield Event.FromString(body)
            data = data[16 + size :]


def shown(run):
    """{tag: {step: number}} as TensorBoard shows it: a START drops the events before it from its step on."""
    kept = []
    for event in events(run):
        if event.HasField("session_log"):
            kept = [other for other in kept if other.step < event.step]
        kept.append(event)
    points = {}
    for event in kept:
        for value in event.summary.value:
            points.setdefault(value.tag, {})[event.step] = value.simple_value
    return points


def test_scalars_are_tagged_by_split(run):
    log = Tensorboard().open(run)
    log.metrics(100, "train", {"loss": 31.5, "beta": 4, "nll": None})
    log.metrics(100, "test", {"loss": 30.25})
    log.close({}, 0)
    assert shown(run) == {"train/loss": {100: 31.5}, "train/beta": {100: 4.0}, "test/loss": {100: 30.25}}


def test_figure_is_the_png_itself(run, png):
    log = Tensorboard().open(run)
    log.figure("samples", png, 500)
    log.close({}, 0)
    (value,) = [value for event in events(run) for value in event.summary.value]
    assert value.tag == "figures/samples"
    assert value.image.encoded_image_string == png.read_bytes()
    assert (value.image.width, value.image.height) == (12, 7)


def test_resumed_run_hides_what_lies_beyond_its_checkpoint(run, resumed):
    for log, steps, value in (
        (Tensorboard().open(run), (100, 500, 600, 700), 1.0),
        (Tensorboard().open(resumed(500)), (600,), 2.0),
    ):
        for step in steps:
            log.metrics(step, "train", {"loss": value})
        log.close({}, 0)
    assert shown(run) == {"train/loss": {100: 1.0, 500: 1.0, 600: 2.0}}


def test_fresh_run_in_a_used_folder_hides_what_was_there(run):
    for value in (1.0, 2.0):
        log = Tensorboard().open(run)
        log.metrics(100, "train", {"loss": value})
        log.close({}, 0)
    assert shown(run) == {"train/loss": {100: 2.0}}
    assert len(list((run.folder / "tensorboard").iterdir())) == 2  # within one second, and none overwritten


def test_evaluation_reaches_the_disk_at_once(run):
    log = Tensorboard().open(run)
    log.metrics(100, "train", {"loss": 1.0})
    log.metrics(100, "test", {"loss": 2.0})
    assert shown(run)["test/loss"] == {100: pytest.approx(2.0)}  # 2 is a float32 number, so exactly
    log.close({}, 0)
