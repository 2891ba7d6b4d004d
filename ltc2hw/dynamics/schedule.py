"""Which values of a program have to be computed, when some results are known already."""

from __future__ import annotations

from functools import lru_cache

from ltc2hw.dynamics.program import Program


def schedule(program: Program, results: tuple[str, ...], known: tuple[str, ...]) -> tuple[int, ...]:
    """Indices of the values that ``results`` need, in order, without what ``known`` results need.

    The known results' own values are not among them.
    """
    return _schedule(program.values, tuple(program.results.items()), results, known)


@lru_cache(maxsize=512)
def _schedule(
    values: tuple[object, ...],
    places: tuple[tuple[str, int], ...],
    results: tuple[str, ...],
    known: tuple[str, ...],
) -> tuple[int, ...]:
    place = dict(places)
    given = {place[name] for name in known}
    wanted = {place[name] for name in results} - given
    for index in range(len(values) - 1, -1, -1):
        if index in wanted:
            wanted.update(set(values[index].arguments) - given)  # type: ignore[attr-defined]
    return tuple(sorted(wanted))
