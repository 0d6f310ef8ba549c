"""Running a panel's work: one job at a time, stoppable, in a worker thread or in the cell itself.

The states: recorded → ready → warming up → measuring → stopping → done, stopped or failed. No widget is
touched here, so all of it is tested without a browser.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from enum import Enum

from course_lib.checks import InputError
from course_lib.race import Stopped

__all__ = ["State", "Runner", "Report", "must_block"]


class State(Enum):
    """What a panel is doing; the value is what its status line says."""

    RECORDED = "recorded"
    READY = "ready"
    WARMING = "warming up"
    MEASURING = "measuring"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


BUSY = (State.WARMING, State.MEASURING, State.STOPPING)


def must_block() -> bool:
    """Whether work must run in the cell itself: on Colab what a background thread draws is not shown."""
    return "google.colab" in sys.modules


class Report:
    """What a job's work is given: a place to put its rows and its progress, and the Stop it must heed."""

    def __init__(self, runner: Runner, run_id: int, stop: threading.Event):
        self.runner, self.run_id, self.stop = runner, run_id, stop

    def tick(self, fraction: float, text: str) -> None:
        """Say how far the work is (0…1). Raises Stopped once the reader has pressed Stop."""
        if self.stop.is_set() or self.run_id != self.runner.run_id:
            raise Stopped
        self.runner._progress(self.run_id, fraction, text)

    def row(self, row: dict) -> None:
        """Hand over one result; it is kept even if the job is stopped later."""
        self.runner._row(self.run_id, row)


class Runner:
    """One panel's jobs. `changed(runner)` is called whenever there is something new to show."""

    _newest: weakref.WeakValueDictionary[str, Runner] = weakref.WeakValueDictionary()
    _measuring = threading.Lock()  # two measurements at once would spoil each other

    def __init__(self, name: str, changed: Callable[[Runner], None], blocking: bool):
        older = Runner._newest.get(name)
        if older is not None:
            older.stop()  # the same cell was run again: its former worker must not go on measuring
        Runner._newest[name] = self
        self.changed, self.blocking = changed, blocking
        self.state, self.run_id, self.fraction, self.text = State.READY, 0, 0.0, ""
        self.rows: list[dict] = []
        self._lock, self._stop, self._last_progress = threading.RLock(), threading.Event(), 0.0
        self.thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self.state in BUSY

    def start(self, work: Callable[[Report], None]) -> bool:
        """Begin a job, unless one is already under way (then False). In blocking mode it returns at the end."""
        with self._lock:
            if self.busy:
                return False
            self.run_id += 1
            self.rows, self.fraction, self.text = [], 0.0, "warming up"
            self._stop = threading.Event()
            self.state = State.WARMING
            report = Report(self, self.run_id, self._stop)
        self.changed(self)
        if self.blocking:
            self._go(work, report)
        else:
            self.thread = threading.Thread(target=self._go, args=(work, report), daemon=True, name="course-panel")
            self.thread.start()
        return True

    def stop(self) -> None:
        """Ask the job to stop; harmless when there is none. What was measured is kept."""
        with self._lock:
            if not self.busy:
                return
            self._stop.set()
            self.state, self.text = State.STOPPING, "stopping"
        self.changed(self)

    def _go(self, work, report: Report) -> None:
        state, text = State.DONE, ""
        try:
            while not Runner._measuring.acquire(timeout=0.05):
                report.tick(0.0, "waiting for another panel's measurement to end")
            try:
                work(report)
            finally:
                Runner._measuring.release()
            if report.stop.is_set():
                state = State.STOPPED
        except (Stopped, KeyboardInterrupt):
            state = State.STOPPED
        except InputError as error:
            state, text = State.FAILED, str(error)
        except Exception as error:  # whatever it is, the reader is told here, not by a traceback in a thread
            state, text = State.FAILED, _explain(error)
        with self._lock:
            if report.run_id != self.run_id:
                return
            self.state, self.text = state, text
            if state is State.DONE:
                self.fraction = 1.0
        self.changed(self)

    def _progress(self, run_id: int, fraction: float, text: str) -> None:
        with self._lock:
            if run_id != self.run_id or self.state is State.STOPPING:
                return
            first = self.state is State.WARMING and fraction > 0
            if first:
                self.state = State.MEASURING
            self.fraction, self.text = max(self.fraction, min(fraction, 1.0)), text
            now = time.perf_counter()
            if not first and now - self._last_progress < 0.25:
                return  # telling the page takes time from the measurement
            self._last_progress = now
        self.changed(self)

    def _row(self, run_id: int, row: dict) -> None:
        with self._lock:
            if run_id != self.run_id:
                raise Stopped
            self.rows.append(row)


def _explain(error: Exception) -> str:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "device-side assert" in text:
        return "the GPU refused to go on (a device-side assert); restart the kernel to use it again"
    return f"{type(error).__name__}: {text}"
