"""Which values of a program have to be computed, when some results are known already."""

from __future__ import annotations

from ltc2hw.dynamics.program import Program


def schedule(program: Program, results: tuple[str, ...], known: tuple[str, ...]) -> tuple[int, ...]:
    """Indices of the values that ``results`` need, in order, without what ``known`` results need.

    The known results' own values are not among them.
    """
    given = {program.results[name] for name in known}
    wanted = {program.results[name] for name in results} - given
    for index in range(len(program.values) - 1, -1, -1):
        if index in wanted:
            wanted.update(set(program.values[index].arguments) - given)
    return tuple(sorted(wanted))
