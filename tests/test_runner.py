"""The runner of the panels' work: its states, its one worker, and what it does with whatever goes wrong."""

import threading
import time

import pytest

from course_lib.checks import InputError
from course_lib.race import Stopped

pytest.importorskip("ipywidgets")

from course_lib.panels.runner import Runner, State  # noqa: E402

PATIENCE = 10  # seconds until a test gives a worker up


def until(condition):
    """Wait for something another thread does; False if it never does."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def workers():
    return [t for t in threading.enumerate() if t.name == "course-panel"]


class Job:
    """A job whose every move the test decides: it does `move(report)`s as they are handed over."""

    def __init__(self):
        self.moves, self.given, self.taken, self.closed = [], threading.Semaphore(0), threading.Semaphore(0), False

    def __call__(self, report):
        while True:
            while not self.given.acquire(timeout=0.02):
                if report.stop.is_set():
                    raise Stopped
            move = self.moves.pop(0)
            if move is None:
                return
            try:
                move(report)
            finally:
                self.taken.release()

    def do(self, move):
        self.moves.append(move)
        self.given.release()
        assert move is None or self.taken.acquire(timeout=PATIENCE)


@pytest.fixture
def runner():
    """A runner that notes each state it reports; no worker of it outlives the test."""
    runner = Runner("test", lambda r: runner.told.append(r.state) if not runner.told or runner.told[-1] is not r.state else None, blocking=False)
    runner.told = []
    yield runner
    runner.stop()
    assert until(lambda: not workers())


# -- the runner's states ------------------------------------------------------------------------------------


def test_from_ready_through_measuring_to_done(runner):
    job = Job()
    assert runner.state is State.READY
    assert runner.start(job)
    assert runner.busy
    assert runner.state is State.WARMING
    job.do(lambda report: report.tick(0.0, "warming"))
    assert runner.state is State.WARMING
    job.do(lambda report: report.tick(0.4, "2/5"))
    assert (runner.state, runner.fraction, runner.text) == (State.MEASURING, 0.4, "2/5")
    job.do(lambda report: report.row({"T": 16}))
    job.do(lambda report: report.tick(0.1, "back"))
    assert runner.fraction == 0.4  # progress only rises
    job.do(None)
    assert until(lambda: not runner.busy)
    assert (runner.state, runner.fraction, runner.rows) == (State.DONE, 1.0, [{"T": 16}])
    assert runner.told == [State.WARMING, State.MEASURING, State.DONE]


def test_stop_keeps_the_rows_and_says_so(runner):
    job = Job()
    runner.start(job)
    job.do(lambda report: report.row({"T": 16}))
    job.do(lambda report: report.tick(0.5, "half"))
    runner.stop()
    assert runner.state in (State.STOPPING, State.STOPPED)
    assert until(lambda: runner.state is State.STOPPED)
    assert runner.rows == [{"T": 16}]
    assert [state for state in runner.told if state is not State.STOPPING] == [State.WARMING, State.MEASURING, State.STOPPED]


def test_work_that_returns_after_a_stop_is_stopped_not_done(runner):
    runner.start(lambda report: report.stop.wait(PATIENCE))
    runner.stop()
    assert until(lambda: not runner.busy)
    assert runner.state is State.STOPPED


def test_stop_when_idle_changes_nothing(runner):
    runner.stop()
    assert (runner.state, runner.told) == (State.READY, [])
    runner.start(lambda report: None)
    assert until(lambda: runner.state is State.DONE)
    runner.stop()
    assert runner.state is State.DONE


def test_a_second_start_is_refused_while_one_runs(runner):
    job = Job()
    assert runner.start(job)
    assert not runner.start(lambda report: report.row({"from": "the second"}))
    assert len(workers()) == 1
    job.do(None)
    assert until(lambda: runner.state is State.DONE)
    assert runner.rows == []
    assert runner.start(lambda report: report.row({"from": "the third"}))
    assert until(lambda: runner.state is State.DONE)
    assert runner.rows == [{"from": "the third"}]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("width D must be divisible by heads H"), "width D must be divisible by heads H"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (RuntimeError("first line\nsecond line"), "RuntimeError: first line"),
        (KeyError(), "KeyError"),
        (RuntimeError("CUDA error: device-side assert triggered"), "restart the kernel"),
    ],
)
def test_an_exception_is_told_in_one_sentence_and_a_later_run_succeeds(runner, error, says):
    def work(report):
        report.row({"T": 16})
        raise error

    runner.start(work)
    assert until(lambda: runner.state is State.FAILED)
    assert says in runner.text
    assert "\n" not in runner.text
    assert runner.rows == [{"T": 16}]
    runner.start(lambda report: None)
    assert until(lambda: runner.state is State.DONE)


def test_a_late_worker_cannot_write(runner):
    """A report from an earlier run: its rows and its progress go nowhere, and it is told to stop."""
    reports = []
    runner.start(reports.append)
    assert until(lambda: runner.state is State.DONE)
    runner.start(reports.append)
    assert until(lambda: runner.state is State.DONE and len(reports) == 2)
    with pytest.raises(Stopped):
        reports[0].row({"late": True})
    with pytest.raises(Stopped):
        reports[0].tick(0.5, "late")
    assert runner.rows == []
    assert runner.fraction == 1.0


def test_the_newest_of_a_name_stops_the_older(runner):
    job = Job()
    runner.start(job)
    other = Runner("another name", lambda r: None, blocking=False)
    assert runner.busy
    newer = Runner("test", lambda r: None, blocking=False)
    assert until(lambda: runner.state is State.STOPPED)
    assert newer.start(lambda report: None)
    assert until(lambda: newer.state is State.DONE)
    assert other.state is State.READY


def test_two_panels_measure_one_after_the_other(runner):
    job, order = Job(), []
    second = Runner("second", lambda r: None, blocking=False)
    runner.start(job)
    job.do(lambda report: order.append("first"))
    second.start(lambda report: order.append("second"))
    assert until(lambda: "waiting" in second.text)
    assert order == ["first"]
    job.do(None)
    assert until(lambda: second.state is State.DONE)
    assert order == ["first", "second"]
    # and one that waits can be stopped
    blocked = Job()
    runner.start(blocked)
    second.start(lambda report: order.append("never"))
    second.stop()
    assert until(lambda: second.state is State.STOPPED)
    assert "never" not in order
    blocked.do(None)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Stopped])
def test_an_interrupt_in_the_cell_keeps_the_rows(interrupt):
    runner = Runner("cell", lambda r: None, blocking=True)

    def work(report):
        report.row({"T": 16})
        raise interrupt

    assert runner.start(work)  # returns at the end, and raises nothing
    assert (runner.state, runner.rows) == (State.STOPPED, [{"T": 16}])
    runner.start(lambda report: report.row({"in": threading.current_thread().name}))
    assert runner.rows == [{"in": threading.current_thread().name}]


def test_a_hundred_starts_and_stops_leave_no_threads_behind(runner):
    for _ in range(100):
        assert until(lambda: not runner.busy)
        assert runner.start(lambda report: report.stop.wait(PATIENCE))
        runner.stop()
        assert len(workers()) <= 2  # the new one, and the last breath of the one before
    assert until(lambda: len(workers()) <= 1 and not runner.busy)
