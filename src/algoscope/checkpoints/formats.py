"""Every format of files that is read, in the order in which they are tried."""

from __future__ import annotations

from algoscope.checkpoints.encoder import ENCODER
from algoscope.checkpoints.format import Format
from algoscope.checkpoints.gpt2 import HUGGING_FACE, NANOGPT
from algoscope.checkpoints.hooked import GROKKING, HOOKED
from algoscope.checkpoints.native import NATIVE

FORMATS: tuple[Format, ...] = (HOOKED, GROKKING, NATIVE, HUGGING_FACE, NANOGPT, ENCODER)
"""Our own files are told by their header, before any of these."""
