"""Ctrl-C at a point where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_the_end() -> Iterator[None]:
    """Inside the block Ctrl-C waits; at its end it does what it did before (raise KeyboardInterrupt).

    Outside the main thread, which alone is interrupted, the block simply runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(signal.SIGINT, None)
