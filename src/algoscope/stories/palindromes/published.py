"""Numbers that the published analysis prints about its own model, quoted beside what is measured here.

They are shown to the reader and enter no measurement and no verdict. The text gives the others only as
figures, which are lost.
"""

from __future__ import annotations

QKV_MEAN = {
    ("q", "0.0"): 1.289652420207858,
    ("q", "0.1"): 0.0038201939314603806,
    ("q", "1.0"): 0.0001571420580148697,
    ("q", "1.1"): 0.0001202831044793129,
    ("k", "0.0"): 0.9433671962469816,
    ("k", "0.1"): 0.027933679521083832,
    ("k", "1.0"): 0.2121445070952177,
    ("k", "1.1"): 0.0009737040381878614,
    ("v", "0.0"): 0.9077602755278349,
    ("v", "0.1"): 0.0028489665128290653,
    ("v", "1.0"): 0.6797835361212492,
    ("v", "1.1"): -4.720850847661495e-05,
}
"""Rise of the loss by mean ablation, in nats, on the first 200 of the 500 sequences."""
QKV_ZERO = {
    ("q", "0.0"): 2.9085682164877653,
    ("q", "0.1"): -0.0005261398619040847,
    ("q", "1.0"): 1.8412707578390837,
    ("q", "1.1"): -0.0014881233219057322,
}
"""The same by zero ablation."""
