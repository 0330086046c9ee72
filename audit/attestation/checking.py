"""What was checked, one line each, and what follows from all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one check ended."""

    OK = "ok"
    DIFFERS = "differs"
    OTHER_KEY = "not by a named key"  # intact, but nobody that was named vouches for it
    NOT_COMPARED = "could not be compared"  # asked for, but this machine cannot
    NOT_CHECKED = "not checked"


SIGNS = {
    State.OK: "✓",
    State.DIFFERS: "✗",
    State.OTHER_KEY: "?",
    State.NOT_COMPARED: "!",
    State.NOT_CHECKED: "–",
}
# What the command line returns, the gravest first.
EXIT_CODES = {State.DIFFERS: 1, State.NOT_COMPARED: 69, State.OTHER_KEY: 2}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at."""

    what: str  # a file, or what it is: "signature of the attestation"
    state: State
    fact: str
    way_out: str = ""  # where the state is not OK


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All that was looked at, from the ground up."""

    place: str
    checks: tuple[Check, ...]

    @property
    def first(self) -> Check | None:
        """The first thing that differs."""
        return next((check for check in self.checks if check.state is State.DIFFERS), None)

    @property
    def exit_code(self) -> int:
        """0 all right; 1 something differs; 2 not signed by a named key; 69 could not be compared as was asked."""
        states = {check.state for check in self.checks}
        return next((code for state, code in EXIT_CODES.items() if state in states), 0)

    @property
    def sentence(self) -> str:
        """What follows, with what was not checked."""
        if (check := self.first) is not None:
            return f"{self.place}: {check.what}: {check.fact}; {check.way_out}"
        names = [check.what for check in self.checks if check.state is State.NOT_CHECKED]
        rest = f". Not checked: {', '.join(names)}" if names else ""
        for state in (State.NOT_COMPARED, State.OTHER_KEY):
            if (check := next((one for one in self.checks if one.state is state), None)) is not None:
                open_ = f"{check.what}: {check.fact}; {check.way_out}"
                return f"{self.place}: nothing differs, but one thing is open: {open_}{rest}"
        return f"{self.place}: all that was checked holds{rest}"


def ok(what: str, fact: str) -> Check:
    """It holds."""
    return Check(what=what, state=State.OK, fact=fact)


def differs(what: str, fact: str, way_out: str) -> Check:
    """It does not hold."""
    return Check(what=what, state=State.DIFFERS, fact=fact, way_out=way_out)


def not_checked(what: str, fact: str, way_out: str = "") -> Check:
    """Nobody looked, and why."""
    return Check(what=what, state=State.NOT_CHECKED, fact=fact, way_out=way_out)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names for one line."""
    found = [*names]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
