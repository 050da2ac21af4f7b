"""Counts of several workers are one sum, which never falls, whatever becomes of a worker."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from opcode_htmx.lib.metrics.families import (
    Counter,
    Family,
    Gauge,
    Histogram,
    Reading,
    WorkerGauge,
)
from opcode_htmx.lib.metrics.store import MetricStore

RUNS = Counter("opcode_runs_ended", "Runs that have ended", {"outcome": ("done", "failed")})
SECONDS = Histogram("opcode_wait_seconds", "How long", buckets=(0.1, 1.0))
VIEWERS = WorkerGauge("opcode_viewers", "Open pages")
FREE = Gauge("opcode_disk_free_bytes", "Free space")
FAMILIES = (RUNS, SECONDS, VIEWERS, FREE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def store(folder: Path) -> Iterator[MetricStore]:
    store = started(folder)
    yield store
    store.stop()


def started(folder: Path, families: tuple[Family, ...] = FAMILIES) -> MetricStore:
    store = MetricStore(folder, families)
    store.start()
    return store


def value(store: MetricStore, family: Family, *labels: str) -> float:
    return next(each.values[0] for each in store.read()[family] if each.labels == labels)


def test_counts_are_kept_by_their_labels(store: MetricStore) -> None:
    store.add(RUNS, labels=("done",))
    store.add(RUNS, 2, ("failed",))
    store.add(RUNS, -5, ("failed",))
    assert (value(store, RUNS, "done"), value(store, RUNS, "failed")) == (1, 2)
    with pytest.raises(KeyError):
        store.add(RUNS, labels=("another",))


def test_a_value_is_counted_in_the_bucket_whose_limit_it_does_not_exceed(
    store: MetricStore,
) -> None:
    for seconds in (0.05, 0.1, 0.5, 7.0, -1.0):
        store.observe(SECONDS, seconds)
    assert list(store.read()[SECONDS][0].values) == pytest.approx([3, 1, 1, 7.65])


def test_what_is_counted_before_the_start_is_kept(folder: Path) -> None:
    store = MetricStore(folder, FAMILIES)
    store.add(RUNS, labels=("done",))
    assert value(store, RUNS, "done") == 1
    store.start()
    store.add(RUNS, labels=("done",))
    assert value(store, RUNS, "done") == 2
    store.stop()


def test_a_gauge_is_measured_when_it_is_read_and_one_that_fails_hides_no_other(
    store: MetricStore,
) -> None:
    def fails() -> Iterator[Reading]:
        raise OSError("no such disk")

    store.measure_by(fails)
    store.measure_by(lambda: [Reading(FREE, 7.0)])
    assert value(store, FREE) == 7


def test_workers_of_one_folder_are_summed(store: MetricStore, folder: Path) -> None:
    other = started(folder)
    store.add(RUNS, labels=("done",))
    other.add(RUNS, 10, ("done",))
    store.change(VIEWERS, 1)
    other.change(VIEWERS, 2)
    for each in (store, other):
        assert (value(each, RUNS, "done"), value(each, VIEWERS)) == (11, 3)
    other.change(VIEWERS, -2)
    assert value(store, VIEWERS) == 1
    other.stop()


def test_a_worker_that_stops_leaves_its_counts_and_takes_its_gauges_along(
    store: MetricStore, folder: Path
) -> None:
    other = started(folder)
    other.add(RUNS, 3, ("done",))
    other.change(VIEWERS, 2)
    other.stop()
    other.add(RUNS, labels=("done",))  # a request that it still answers
    assert (value(store, RUNS, "done"), value(store, VIEWERS)) == (3, 0)
    assert value(other, RUNS, "done") == 4


def _work(folder: Path, pipe: Connection) -> None:
    store = started(folder)
    store.change(VIEWERS, 5)
    store.add(RUNS, 4, ("done",))
    pipe.send(os.getpid())
    pipe.recv()


@pytest.fixture
def killed(folder: Path) -> int:
    """The pid of a worker that has counted 4 runs and 5 viewers, and was killed."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(folder, there))
    process.start()
    try:
        pid = int(here.recv())
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    return pid


def test_the_counts_of_a_killed_worker_remain_and_the_next_one_goes_on_with_its_file(
    folder: Path, killed: int
) -> None:
    reader = MetricStore(folder, FAMILIES)
    assert (value(reader, RUNS, "done"), value(reader, VIEWERS)) == (4, 0)
    assert reader.workers() == []
    store = started(folder)
    assert (value(store, RUNS, "done"), value(store, VIEWERS)) == (4, 0)
    assert len(list(folder.glob("*.values"))) == 1
    assert store.workers() == [os.getpid()]
    store.add(RUNS, labels=("done",))
    assert value(reader, RUNS, "done") == 5
    store.stop()


def test_another_version_goes_on_with_the_counts_that_both_know(folder: Path) -> None:
    old = started(folder)
    old.add(RUNS, 4, ("done",))
    old.observe(SECONDS, 0.5)
    more = Counter("opcode_turns", "Turns")
    finer = Histogram(SECONDS.name, "How long", buckets=(0.1, 0.2, 1.0))
    new = MetricStore(folder, (more, RUNS, finer))
    assert value(new, RUNS, "done") == 4, "the old one still runs"
    old.stop()
    new.start()
    new.add(more)
    assert (value(new, RUNS, "done"), value(new, more)) == (4, 1)
    assert set(new.read()[finer][0].values) == {0}, "counts of other buckets cannot be kept"
    new.stop()


@pytest.mark.parametrize("damage", [b"", b"{", b"null\n", b"x" * 4096, b'{"names": 5}\n'])
def test_a_damaged_file_is_made_anew(folder: Path, damage: bytes) -> None:
    folder.mkdir()
    (folder / "0.values").write_bytes(damage)
    store = started(folder)
    store.add(RUNS, labels=("done",))
    assert value(store, RUNS, "done") == 1
    store.stop()


def test_a_file_that_was_cut_off_is_made_anew(folder: Path) -> None:
    store = started(folder)
    store.add(RUNS, labels=("done",))
    store.stop()
    path = folder / "0.values"
    path.write_bytes(path.read_bytes()[:-8])
    store = started(folder)
    assert value(store, RUNS, "done") == 0
    store.stop()


@pytest.mark.parametrize("size", [0, 8])
def test_a_file_that_is_cut_off_while_others_read_it_ends_none_of_them(
    store: MetricStore, folder: Path, size: int
) -> None:
    store.add(RUNS, labels=("done",))
    other = started(folder)
    other.add(RUNS, labels=("done",))
    other.stop()
    assert value(store, RUNS, "done") == 2
    (newest,) = folder.glob("1.values")
    os.truncate(newest, size)
    assert value(store, RUNS, "done") == 1


@pytest.mark.parametrize("left", [0, 8, -8, None])
def test_a_worker_whose_own_file_is_cut_off_or_replaced_counts_on_and_loses_nothing(
    store: MetricStore, folder: Path, left: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "0.values"
    store.add(RUNS, 3, ("done",))
    store.change(VIEWERS, 1)
    if left is None:
        path.write_bytes(b"x" * 100_000)
    else:
        os.truncate(path, left if left >= 0 else path.stat().st_size + left)
    store.add(RUNS, labels=("done",))
    store.observe(SECONDS, 7.0)
    assert (value(store, RUNS, "done"), value(store, VIEWERS)) == (4, 1)
    assert "were changed, and are written again" in caplog.text
    caplog.clear()
    reader = MetricStore(folder, FAMILIES)
    assert (value(reader, RUNS, "done"), value(reader, VIEWERS)) == (4, 1)
    assert list(reader.read()[SECONDS][0].values) == [0, 0, 1, 7]
    store.add(RUNS, labels=("done",))
    assert value(store, RUNS, "done") == value(reader, RUNS, "done") == 5
    assert not caplog.text


def test_no_sum_is_taken_for_one_that_is_none(folder: Path) -> None:
    started(folder).stop()
    path = folder / "0.values"
    head = path.read_bytes().partition(b"\n")[0] + b"\n"
    count = len(json.loads(head)["names"])
    path.write_bytes(head + b"\xff" * 8 * count)  # not a number
    store = started(folder)
    assert value(store, RUNS, "done") == 0
    store.stop()


def test_without_a_folder_the_worker_counts_in_memory(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("no folder")
    store = started(tmp_path / "metrics")
    store.add(RUNS, labels=("done",))
    assert value(store, RUNS, "done") == 1
    store.stop()


def test_the_files_are_private_and_written_in_full(store: MetricStore, folder: Path) -> None:
    status = (folder / "0.values").stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 >= status.st_size, "a hole could not be filled on a full disk"


def test_a_worker_whose_file_was_removed_goes_on_with_its_counts_in_a_new_one(
    store: MetricStore, folder: Path
) -> None:
    other = started(folder)
    store.add(RUNS, 3, ("done",))
    store.change(VIEWERS, 1)
    shutil.rmtree(folder)
    assert value(store, RUNS, "done") == 3
    store.add(RUNS, labels=("done",))
    for each in (store, other):
        assert (value(each, RUNS, "done"), value(each, VIEWERS)) == (4, 1)
    assert len(list(folder.glob("*.values"))) == 2
    other.stop()


def test_a_name_is_declared_once(folder: Path) -> None:
    with pytest.raises(ValueError, match="declared twice"):
        MetricStore(folder, (RUNS, RUNS))


@pytest.mark.parametrize("name", ["runs", "opcode_Runs", "opcode_runs_total", "opcode_a{", ""])
def test_a_name_that_prometheus_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        Counter(name, "Something")


@pytest.mark.parametrize("buckets", [(), (1.0, 1.0), (2.0, 1.0), (float("inf"),)])
def test_buckets_are_finite_and_in_order(buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="buckets"):
        Histogram("opcode_x_seconds", "Something", buckets=buckets)
