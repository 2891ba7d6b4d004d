"""What lowering asks of ports and constants: the fractions of sums, and which ones multiply."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.formats import Formats
from ltc2hw.dynamics.lowering import Lowering
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.verify import constant_only


class Survey(Lowering):
    """A lowering in which constants have no format yet; it only notes what would be asked of them.

    A constant is *added* where a sum, choice or comparison asks for it at a fraction; it is a
    *factor* where it scales a value that changes, alone or as part of an expression of constants.
    """

    def __init__(self, program: Program, formats: Formats) -> None:
        super().__init__(program, formats)
        self._asked: dict[str, int] = {}
        self._beside: dict[str, set[int]] = {}
        self.factors: dict[str, int] = {}
        """Constants that multiply: with at least this fraction no product is shifted left."""
        self.results()

    def is_added(self, name: str) -> bool:
        """Whether a port or constant is added anywhere."""
        return name in self._asked

    def added(self, name: str, otherwise: int) -> int:
        """The finest fraction at which a port or constant is added."""
        return self._asked.get(name, otherwise)

    def beside(self, name: str, largest: Mapping[str, float]) -> float:
        """The largest of what shares an expression of constants with one that multiplies."""
        found = [0.0]
        for index in self._beside.get(name, ()):
            value = self.program.values[index]
            named = value.operation is Operation.PARAMETER
            found.append(largest[value.name] if named else abs(value.numbers[0]))
        return max(found)

    def _find_natural(self, index: int) -> int | None:
        if self.program.values[index].operation is Operation.PARAMETER:
            return None
        return super()._find_natural(index)

    def _find_largest(self, index: int) -> float:
        named = self.program.values[index].operation is Operation.PARAMETER
        return 1.0 if named else super()._find_largest(index)

    def _place(self, index: int, fraction: int) -> int:
        value = self.program.values[index]
        if value.operation in (Operation.PARAMETER, Operation.PORT):
            self._asked[value.name] = max(fraction, self._asked.get(value.name, fraction))
            return self.builder.add(value.operation, name=value.name)
        return super()._place(index, fraction)

    def _product(self, left: int, right: int, *, fraction: int) -> int:
        if not self._binary & {left, right}:
            for factor, scaled in ((left, right), (right, left)):
                if constant_only(self.program, factor):
                    self._note(factor, fraction - (self.natural(scaled) or 0))
        return super()._product(left, right, fraction=fraction)

    def _factor(self, index: int) -> tuple[int, int]:
        if constant_only(self.program, index):
            return self.builder.number(1), 0
        return super()._factor(index)

    def _note(self, factor: int, needed: int) -> None:
        leaves = constants_under(self.program, factor)
        for leaf in leaves:
            value = self.program.values[leaf]
            if value.operation is Operation.PARAMETER:
                self.factors[value.name] = max(needed, self.factors.get(value.name, needed))
                self._beside.setdefault(value.name, set()).update(leaves - {leaf})


def constants_under(program: Program, index: int) -> set[int]:
    """Numbers and constants that an expression of constants is made of."""
    reached = {index}
    for place in range(index, -1, -1):
        if place in reached:
            reached.update(program.values[place].arguments)
    return {place for place in reached if not program.values[place].arguments}
