"""Errors that name the file and the remedy."""


class GimError(Exception):
    """Something the user can fix.

    Args:
        problem: what is wrong, naming the file, field or parameter.
        remedy: what to do about it, in the imperative.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n  -> {remedy}")
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["GimError"], tuple[str, str]]:
        """Rebuild from both texts, so that the error survives a process pool."""
        return type(self), (self.problem, self.remedy)


class BadInput(GimError):  # noqa: N818 - it is data more than an error: the runner records it
    """This unit's input can never work as it is (a corrupt file, no video stream, no usable shot).

    The runner records it as a skip with its reason, leaves the unit out downstream and goes on with the others.
    The skip is tried again when the input changes.
    """
