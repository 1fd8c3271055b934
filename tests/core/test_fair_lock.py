"""The lock that nobody starves at."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from sibao.core.fair_lock import FairLock

SECONDS = 10.0


def test_it_is_reentrant_and_one_at_a_time() -> None:
    lock, inside, most = FairLock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock, lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads) and (inside, most) == (0, 1)


def test_threads_get_it_in_the_order_in_which_they_asked() -> None:
    lock, order = FairLock(), []

    def take(number: int) -> None:
        with lock:
            order.append(number)

    with lock:
        threads = []
        for number in range(8):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            end = time.monotonic() + SECONDS
            while len(lock._waiting) <= number and time.monotonic() < end:
                time.sleep(0.001)
    for thread in threads:
        thread.join(SECONDS)
    assert order == list(range(8))


def test_a_loop_that_takes_it_again_at_once_starves_nobody() -> None:
    """With ``threading.RLock`` the loop wins nearly every time."""
    lock, going, rounds = FairLock(), True, 0

    def loop() -> None:
        nonlocal rounds
        while going:
            with lock:
                rounds += 1
                time.sleep(0.001)

    thread = threading.Thread(target=loop)
    thread.start()
    begun = rounds
    for _ in range(20):
        with lock:
            pass
    passed = rounds - begun
    going = False
    thread.join(SECONDS)
    assert passed <= 60  # about one of its rounds for each of ours


def test_it_is_given_up_when_the_block_fails() -> None:
    lock = FairLock()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    taken = threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    threading.Thread(target=take).start()
    assert taken.wait(SECONDS)


@pytest.mark.parametrize("given", [False, True], ids=["while it waits", "when it was given the lock"])
def test_who_is_interrupted_holds_up_nobody(given: bool) -> None:
    lock, held, leave, taken = FairLock(), threading.Event(), threading.Event(), threading.Event()
    me = threading.get_ident()

    def hold() -> None:
        with lock:
            held.set()
            leave.wait(SECONDS)

    def send() -> None:
        end = time.monotonic() + SECONDS
        while not lock._waiting and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.02)
        signal.pthread_kill(me, signal.SIGUSR1)

    def interrupt(*_: object) -> None:
        if given:
            leave.set()
            holder.join(SECONDS)
        raise KeyboardInterrupt

    def take() -> None:
        with lock:
            taken.set()

    holder, sender = threading.Thread(target=hold), threading.Thread(target=send)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        holder.start()
        assert held.wait(SECONDS)
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            lock.__enter__()
        sender.join(SECONDS)
    finally:
        signal.signal(signal.SIGUSR1, before)
        leave.set()
        holder.join(SECONDS)
    threading.Thread(target=take, daemon=True).start()
    assert taken.wait(SECONDS) and not lock._waiting
