"""Which sequences hold rows of a fake device, and which of them stand."""

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import Admission, Step, StepEntry
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_row import Row


class FakeRows:
    """Keeps rows by the deltas of steps. `held`: all rows; `standing`: those that advance by themselves."""

    def __init__(self, spec: FakeModelSpec) -> None:
        self._spec = spec
        self.held: dict[int, Row] = {}
        self.standing: dict[int, Row] = {}
        self._lost: dict[int, None] = {}

    def get(self, number: int) -> Row:
        """The sequence in a row; raises `InvariantViolation` `row_unknown` where there is none."""
        if number not in self.held:
            raise InvariantViolation("row_unknown", f"nothing holds row {number}")
        return self.held[number]

    def apply(self, step: Step) -> None:
        """Take a step's changes of rows and tables, in the order of its fields."""
        for number in step.removed:
            self._remove(number)
        for number in step.paused:
            if self.standing.pop(self.get(number).number, None) is None:
                raise InvariantViolation("row_stands", f"row {number} is paused and did not stand")
        for admission in step.added:
            self._admit(admission)
        for change in step.tables:
            self.get(change.row).change_table(change)
        for growth in step.grown:
            for change in growth.changes():
                self.get(change.row).change_table(change)

    def _remove(self, number: int) -> None:
        if number in self._lost:
            del self._lost[number]
        else:
            del self.held[self.get(number).number]
            self.standing.pop(number, None)

    def _admit(self, admission: Admission) -> None:
        if admission.row in self.held or admission.row < 0:
            raise InvariantViolation(
                "row_in_use", f"row {admission.row} cannot be given to {admission.request!r}"
            )
        self._lost.pop(admission.row, None)
        self.held[admission.row] = Row(admission, self._spec)

    def forget(self) -> None:
        """Give up all."""
        self.held.clear()
        self.standing.clear()
        self._lost.clear()

    def match(self, entries: tuple[StepEntry, ...]) -> list[tuple[Row, StepEntry]]:
        """Entries with their rows, each checked to be in place."""
        matched: dict[int, tuple[Row, StepEntry]] = {}
        for entry in entries:
            row = self.get(entry.row)
            if entry.row in self.standing:
                raise row.violation("row_stands", "has an entry while it stands; pause it first")
            if entry.row in matched:
                raise row.violation("row_repeated", "has two entries in one step")
            if entry.start != row.computed or entry.num_units < 1:
                detail = f"{entry.num_units} units from {entry.start}; {row.computed} are computed"
                raise row.violation("position_gap", detail)
            matched[entry.row] = (row, entry)
        return list(matched.values())

    def stand(self, row: Row) -> None:
        """From the next step on a row stands; exactly its latest token must be left to compute."""
        if row.num_known != row.computed + 1:
            detail = f"stands with {row.computed} units computed and {row.num_known} tokens known"
            raise row.violation("row_stands", detail)
        self.standing[row.number] = row

    def lose(self, step: Step) -> None:
        """A step was not executed: its removals hold, its additions do not and may be removed later."""
        for number in step.removed:
            self.held.pop(number, None)
            self.standing.pop(number, None)
            self._lost[number] = None
        for admission in step.added:
            self._lost[admission.row] = None
