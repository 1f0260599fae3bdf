"""Ctrl-C while a run's reports are made."""

import signal
from pathlib import Path

import pytest

from genai_perf.exceptions import Interrupted, ServerError
from genai_perf.profile import Patience

RUN = Path("artifacts/run")
HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@pytest.fixture(autouse=True)
def handlers_come_back():
    yield
    assert HANDLERS == {number: signal.getsignal(number) for number in HANDLERS}


def go(signals, then, *, quiet=True):
    """A run that has ended, with these signals while it is written up."""
    with Patience(RUN, quiet=quiet) as patience:
        patience.begin()
        for number in signals:
            signal.raise_signal(number)
        then()


@pytest.mark.parametrize("number", HANDLERS)
def test_a_signal_waits_until_what_was_measured_is_reported(number):
    done = []
    with pytest.raises(KeyboardInterrupt):
        go([number], lambda: done.append("reported"))
    assert ["reported"] == done


@pytest.mark.parametrize("quiet", [False, True])
def test_it_says_what_it_waits_for(quiet, capfd):
    with pytest.raises(KeyboardInterrupt):
        go([signal.SIGINT], lambda: None, quiet=quiet)
    told = "" if quiet else "the reports are being made; Ctrl-C again leaves them\n"
    assert told == capfd.readouterr().err


@pytest.mark.parametrize("second", HANDLERS)
def test_a_second_signal_does_not_wait_and_says_how_to_make_them_later(second):
    done = []
    with pytest.raises(
        Interrupted, match="its reports were made; the records are in artifacts/run"
    ) as raised:
        go([signal.SIGINT, second], lambda: done.append("never"))
    assert "genai-perf report artifacts/run makes them" == raised.value.hint
    assert [] == done


def test_without_a_signal_nothing_happens():
    done = []
    go([], lambda: done.append("reported"))
    assert ["reported"] == done


def test_before_the_run_has_ended_a_ctrl_c_is_one():
    with pytest.raises(KeyboardInterrupt), Patience(RUN, quiet=True):
        signal.raise_signal(signal.SIGINT)


def test_an_error_in_there_is_not_hidden():
    def fail():
        raise ServerError("every request failed")

    with pytest.raises(ServerError):
        go([signal.SIGINT], fail)
