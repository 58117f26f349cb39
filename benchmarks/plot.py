"""The figure beside the page: who carries how much with one core."""

from typing import Final

from benchmarks import rows
from benchmarks.measured import Measured
from benchmarks.targets import Results, per_cpu_s

_LEFT: Final = 250
_WIDTH: Final = 420
_BAR: Final = 18
_STEP: Final = 26
_TOP: Final = 44
_RIGHT: Final = 90
_OURS: Final = "#2a6fb0"
_CEILING: Final = "#9aa5b1"
_PEER: Final = "#d08a3c"
_SHOWN: Final = tuple(row for row in rows.THROUGHPUT if row.key == "raw-minimal" or row.bound == "raw-minimal")


def svg(results: Results) -> str:
    """Bars of records per CPU second of the minimal workload; the same figures as the table."""
    shown = [row for row in _SHOWN if any(isinstance(run, Measured) for run in results.get(row.key, ()))]
    most = max((per_cpu_s(results, row.key) for row in shown), default=1.0)
    height = _TOP + _STEP * len(shown) + 12
    width = _LEFT + _WIDTH + _RIGHT
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    title = "Records per CPU second: the sum of one property by account"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-weight="600" fill="#1f2933">{title}</text>',
    ]
    for number, row in enumerate(shown):
        rate = per_cpu_s(results, row.key)
        top = _TOP + _STEP * number
        long = _WIDTH * rate / most
        text = top + _BAR - 4
        lines += [
            f'<text x="{_LEFT - 8}" y="{text}" text-anchor="end" fill="#1f2933">{row.title}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{long:.1f}" height="{_BAR}" fill="{_colour(row.key)}"/>',
            f'<text x="{_LEFT + long + 6:.1f}" y="{text}" fill="#1f2933">{rate:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _colour(key: str) -> str:
    if key.startswith("raw"):
        return _CEILING
    return _OURS if key.startswith("rating") else _PEER
