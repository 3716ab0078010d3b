"""Times and sizes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def when(seconds: float) -> str:
    """Unix seconds as a date and a time, to the second, UTC; as they are where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f}"


def span(seconds: float) -> str:
    """A length of time by its two largest units: `3d 4h`, `2m 5s`; what is past is `0s`."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def size(count: float | None) -> str:
    """Bytes with a binary unit; `-` for what is not known."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB"):
        if count < 1_024:  # noqa: PLR2004 - what the units mean
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"  # noqa: PLR2004
        count /= 1_024
    return f"{count:.1f} GiB"


def rate(per_second: float | None) -> str:
    """A rate without its unit: whole from 10 on; `-` for what is not known yet."""
    if per_second is None:
        return "-"
    return f"{per_second:.0f}" if per_second >= 10 or per_second == 0 else f"{per_second:.1f}"  # noqa: PLR2004
