"""Signals: which wait, and which act at once."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from ferbench.training.interruption import Interrupted, Interruption

ORDINARY = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ORDINARY)
def test_in_training_a_signal_waits_until_somebody_looks(number):
    reached = False
    with Interruption().listening() as interruption, pytest.raises(Interrupted) as ended, interruption.waiting():
        send(number)
        assert interruption.pending == number
        reached = True
    assert reached
    assert ended.value.signal == number


@pytest.mark.parametrize("number", ORDINARY)
def test_elsewhere_a_signal_acts_at_once(number):
    with Interruption().listening(), pytest.raises(Interrupted) as ended:
        send(number)
        pytest.fail("it went on")
    assert ended.value.signal == number


@pytest.mark.parametrize("first", ORDINARY)
def test_ctrl_c_after_any_signal_acts_at_once(first):
    with Interruption().listening() as interruption, pytest.raises(Interrupted) as ended, interruption.waiting():
        send(first)
        send(signal.SIGINT)
        pytest.fail("it went on")
    assert ended.value.signal == signal.SIGINT


@pytest.mark.parametrize("repeated", [signal.SIGTERM, signal.SIGUSR1])
def test_a_scheduler_that_repeats_itself_is_one_request(repeated):
    """As ``timeout`` does, and Slurm at the end of a job's grace."""
    with Interruption().listening() as interruption, pytest.raises(Interrupted) as ended, interruption.waiting():
        for number in (signal.SIGUSR1, repeated, signal.SIGCONT):
            send(number)
        assert interruption.pending == signal.SIGUSR1
    assert ended.value.signal == signal.SIGUSR1


def test_while_the_end_is_written_down_another_request_does_not_tear_it():
    written = False
    with Interruption().listening(), contextlib.suppress(Interrupted):
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM)
            written = True
    assert written


@pytest.mark.parametrize("first", ORDINARY)
def test_while_the_end_is_written_down_not_even_ctrl_c_tears_it(first):
    written = False
    with Interruption().listening() as interruption, contextlib.suppress(Interrupted):
        try:
            send(first)
        except Interrupted:
            with interruption.writing():
                send(signal.SIGINT)
                written = True
            with pytest.raises(Interrupted):
                send(signal.SIGINT)
    assert written


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_under_nohup_a_closed_terminal_is_no_request():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption().listening() as interruption:
            send(signal.SIGHUP)
        assert interruption.pending is None
    finally:
        signal.signal(signal.SIGHUP, before)
