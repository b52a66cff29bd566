"""The accuracy pass: each image of a list through an artifact, and its detections to a file.

The pass has so many cores. A stream for each (a process of one thread that decodes, runs and post-processes a few
images at a time) keeps all of them at work; one session with all cores sometimes beats that, and a long pass tries it.
Whichever does the work, the same bytes are written.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ssdbench.boxes.decoding import HeadDecoding
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.coco.detections import detections_text, write_detection_texts
from ssdbench.coco.image_list import ImageRecord
from ssdbench.images.pixels import ChannelOrder, PixelSize, load_image
from ssdbench.inference.detect import _IMAGES_OF_A_STREAM, detect
from ssdbench.inference.trace import Recorder, Trace, join_traces
from ssdbench.jobs.progress import Progress
from ssdbench.jobs.worker_pool import WorkerPool
from ssdbench.machine.host import peak_rss_mb
from ssdbench.runtimes import import_framework, open_session

_IMAGES_OF_ONE_SESSION = 32
# One session with all cores is tried for a second where the rest of the pass takes this long: else it would cost more
# than it could bring.
_TRIAL_SECONDS, _WORTH_A_TRIAL_SECONDS = 1.0, 40.0
_BYTES_OF_A_STREAM = 1 << 30  # TensorFlow's session takes about half of that


@dataclass(frozen=True)
class Pass:
    """What a pass runs, and on what.

    framework, artifact, normalisation, precision: as `open_session` takes them. folder, records: the images. size,
    channel_order: of the pixels that are fed. decoding: needed for heads. count: images of the whole list, of which
    `records` may be a part; first: the place of that part in it. large_ids: as `ImageList` has them.
    """

    framework: str
    artifact: Path
    normalisation: Normalisation
    precision: str
    folder: Path
    records: Sequence[ImageRecord]
    size: PixelSize
    channel_order: ChannelOrder
    decoding: HeadDecoding | None
    count: int
    first: int = 0
    large_ids: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a pass went.

    detections: how many were written; uncategorised: how many more were found of classes that the annotations do not
    have. seen: what the cell saw. runtime: the facts of the session. seconds: from the
    first image to the last; load_seconds: what opening the sessions took before that. peak_rss_mb: the most memory of
    this process and of those of the streams. streams: {streams, threads (of
    each), reason, images_per_second: {what was tried: its rate}}.
    """

    detections: int
    uncategorised: int
    seen: Trace
    runtime: dict[str, Any]
    seconds: float
    load_seconds: float
    peak_rss_mb: float
    streams: dict[str, Any]


@dataclass(frozen=True)
class _Chunk:
    """What came of some images in a row: lines for the file, how many, how many without category, what was seen."""

    text: str
    detections: int
    uncategorised: int
    seen: Trace

    def equals(self, other: _Chunk) -> bool:
        """Whether both are the same to the last bit."""
        pairs = zip(vars(self.seen).values(), vars(other.seen).values(), strict=True)
        return self.text == other.text and all(np.array_equal(one, another) for one, another in pairs)


def run_pass(job: Pass, threads: int, path: Path) -> Outcome:
    """Write the detections of each image to `path`, in the images' order, with `threads` cores.

    The detections, and what was seen, are the same for any number of cores.

    Raises:
        UserError: an image cannot be used, the network returns what cannot be detections, or a process died.
    """
    start = time.perf_counter()
    import_framework(job.framework)  # once, before the processes part
    run = _Run(job, threads)
    detections, uncategorised, seen = 0, 0, []
    progress = Progress("detecting", len(job.records))

    def texts() -> Iterator[str]:
        nonlocal detections, uncategorised
        for part in run.parts():
            detections += part.detections
            uncategorised += part.uncategorised
            seen.append(part.seen)
            progress.advance(len(part.seen.image_ids))
            yield part.text

    write_detection_texts(path, texts())
    progress.close()
    return Outcome(
        detections,
        uncategorised,
        join_traces(seen) if seen else Recorder(0).result(),
        run.runtime,
        run.ended - run.began,
        run.began - start,
        round(peak_rss_mb() + run.streams_mb, 1),
        run.choice,
    )


class _Run:
    """A pass under way, and afterwards what is known of it."""

    def __init__(self, job: Pass, threads: int) -> None:
        self._job, self._threads = job, threads
        self._images = len(job.records)
        self.runtime: dict[str, Any] = {}
        self.choice: dict[str, Any] = {}
        self.streams_mb = 0.0
        self.began = self.ended = time.perf_counter()

    def parts(self) -> Generator[_Chunk]:
        """What comes of the images, in order."""
        fitting = max(psutil.virtual_memory().available // _BYTES_OF_A_STREAM, 1)
        count = max(min(self._threads, fitting, -(-self._images // _IMAGES_OF_A_STREAM)), 1)
        with closing(WorkerPool(partial(_Worker, self._job, 1), count)) as streams:
            self.began = time.perf_counter()
            self._choose(count, 1, "one core" if self._threads == 1 else "one stream a core; the pass is short", {})
            done = 0
            if self._threads > 1:
                done = yield from self._try_both(streams, count)
            if self.choice["threads"] == 1:
                yield from streams.run(self._chunks(done, count, _IMAGES_OF_A_STREAM))
                self._end(streams)
                return
        with closing(self._one_session()) as session:
            yield from session.run(self._chunks(done, 1, _IMAGES_OF_ONE_SESSION))
            self._end(session)

    def _try_both(self, streams: WorkerPool[range, _Chunk], count: int) -> Generator[_Chunk, None, int]:
        """Work for a second with streams and then, in a long pass, with one session, and choose; the images done.

        A pass that is not long is done whole with streams: a pause to look at the clock would leave cores idle.
        """
        done, rate, last = yield from self._for_a_while(
            streams, self._chunks(0, count, _IMAGES_OF_A_STREAM), _WORTH_A_TRIAL_SECONDS
        )
        tried = {_named(count, 1): rate}
        if done == self._images or last is None:
            self._choose(count, 1, "one stream a core; the pass is too short to try one session", tried)
            return done
        with closing(self._one_session()) as session:
            (again,) = session.run([range(done - len(last.seen.image_ids), done)])
            if not again.equals(last):
                self._choose(count, 1, "one session with all cores returns other numbers", tried)
                return done
            more, other, _ = yield from self._for_a_while(session, self._chunks(done, 1, _IMAGES_OF_ONE_SESSION))
            done += more
        tried[_named(1, self._threads)] = other
        if other > rate:
            self._choose(1, self._threads, "one session with all cores was faster", tried)
        else:
            self._choose(count, 1, "one stream a core was faster", tried)
        return done

    def _for_a_while(
        self, streams: WorkerPool[range, _Chunk], chunks: Iterable[range], worth_a_trial: float = 0.0
    ) -> Generator[_Chunk, None, tuple[int, float, _Chunk | None]]:
        """Hand out images for a trial, and all others too where they would take less than `worth_a_trial` seconds.

        Returns:
            the images done, images/s, and the last part.
        """
        begin, done, last = time.perf_counter(), 0, None

        def handed_out() -> Iterator[range]:
            for chunk in chunks:
                passed = time.perf_counter() - begin
                if passed > _TRIAL_SECONDS and self._images - chunk.start >= worth_a_trial * done / passed:
                    return
                yield chunk

        for part in streams.run(handed_out()):
            done, last = done + len(part.seen.image_ids), part
            yield part
        return done, round(done / (time.perf_counter() - begin), 2), last

    def _chunks(self, start: int, streams: int, most: int) -> Iterator[range]:
        """The places of the images from `start` on; fewer and fewer at the end, so that all streams end together."""
        while start < self._images:
            stop = start + min(max((self._images - start) // (2 * streams), 1), most)
            yield range(start, stop)
            start = stop

    def _one_session(self) -> WorkerPool[range, _Chunk]:
        return WorkerPool(partial(_Worker, self._job, self._threads), 1)

    def _choose(self, streams: int, threads: int, reason: str, tried: Mapping[str, float]) -> None:
        self.choice = {
            "streams": streams,
            "threads": threads,
            "reason": reason,
            "images_per_second": dict(tried),
        }

    def _end(self, streams: WorkerPool[range, _Chunk]) -> None:
        self.ended = time.perf_counter()
        described = streams.describe()
        self.runtime = described["runtime"]
        self.streams_mb = self.choice["streams"] * described["peak_rss_mb"]


class _Worker:
    """One session and what a process does with it."""

    def __init__(self, job: Pass, threads: int) -> None:
        self._job, self._threads = job, threads
        self._session = open_session(job.framework, job.artifact, threads, job.normalisation, job.precision)
        first = load_image(job.folder, job.records[0], job.size, job.channel_order) if job.records else None
        if first is not None:
            self._session.run(first[np.newaxis])  # the first call is slow, in TensorFlow by a second

    def work(self, places: range) -> _Chunk:
        """The detections of the images at these places of the records."""
        job = self._job
        recorder = Recorder(job.count, job.first + places.start)
        found = detect(
            self._session,
            job.folder,
            job.records[places.start : places.stop],
            job.size,
            job.channel_order,
            job.decoding,
            recorder,
            self._threads if self._threads > 1 else 0,
        )
        texts, count, uncategorised = [], 0, 0
        large = job.large_ids
        for record, one in found:
            categories = [large.get(number, number) for number in one.class_ids.tolist()]
            texts.append(detections_text(large.get(record.id, record.id), categories, one.boxes, one.scores))
            count += len(one.scores)
            uncategorised += one.uncategorised
        return _Chunk(",\n".join(filter(None, texts)), count, uncategorised, recorder.result())

    def describe(self) -> dict[str, Any]:
        """{runtime: the facts of the session, peak_rss_mb}."""
        peak = peak_rss_mb()  # before the facts, which may load the file a second time
        return {"runtime": self._session.facts(), "peak_rss_mb": peak}


def _named(streams: int, threads: int) -> str:
    return f"{streams} x {threads} thread{'s' if threads > 1 else ''}"
