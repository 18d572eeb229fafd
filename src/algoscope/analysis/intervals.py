"""Within which bounds does a share lie, as far as a count can tell?"""

from __future__ import annotations

import math

Z95 = 1.96
"""Standard deviations on either side that hold 95 % of a normal distribution."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `count` independent draws were seen.

    ```
    middle = (p + z²/2n) / (1 + z²/n)
    reach  = z √(p (1 - p)/n + z²/4n²) / (1 + z²/n)
    ```
    Method: Wilson (1927), which keeps within 0 and 1 and means something for no hits at all.

    >>> wilson(0, 96)
    (0.0, 0.03847573505993155)
    """
    share, room = hits / count, Z95**2 / count
    middle = (share + room / 2) / (1 + room)
    reach = Z95 * math.sqrt(share * (1 - share) / count + room / (4 * count)) / (1 + room)
    return max(0.0, middle - reach), min(1.0, middle + reach)
