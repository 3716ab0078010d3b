"""What can go wrong with the demo itself."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import GatewayError


class DemoError(GatewayError):
    """The demo cannot go on: its gateway did not start or ended, or somebody could not connect."""


def root_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of a group to report: one that says what happened to the demo, else any of ours, else the first."""
    leaves = list(_leaves(group))
    for kind in (DemoError, GatewayError):
        for error in leaves:
            if isinstance(error, kind):
                return error
    return leaves[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
