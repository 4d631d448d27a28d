"""What `expect` wants of the messages of a channel, and whether those that came are so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from kubemqctl.messaging.conditions import Condition, text_form
from kubemqctl.messaging.message_view import MessageView
from kubemqctl.model.paths import Body
from kubemqctl.model.records import to_record
from kubemqctl.model.text import count_text, quoted
from kubemqctl.model.values import only_one

N = TypeVar("N")

MOST_SHOWN = 5
"""Messages that a failure names: the nearest misses, and those that must not come."""
LONGEST = 200
"""Characters of a condition in what is said of it; its author has the whole of it."""
_LONGEST_VALUE = 60


class Wanted(NamedTuple):
    """How many messages have to match: at least `least`, at most `most` (None: any number)."""

    least: int
    most: int | None

    @property
    def is_free(self) -> bool:
        """Whether only what must not come counts."""
        return self == (0, None)


def wanted(count: int | None, exactly: int | None, none: bool, where: bool, never: bool) -> Wanted:
    """What --count, --exactly and --none ask for; --never alone asks for nothing to come that it names.

    Raises UsageError when they exclude each other.
    """
    only_one({"--count": count is not None, "--exactly": exactly is not None, "--none": none})
    if none:
        return Wanted(0, 0)
    if exactly is not None:
        return Wanted(exactly, exactly)
    if count is None and never and not where:
        return Wanted(0, None)
    return Wanted(count or 1, None)


class Miss(Generic[N]):
    """A message that is not as it should be, and the conditions that say so, each with what it found."""

    # No NamedTuple: Python 3.10 has none that is generic.
    def __init__(self, noun: N, failed: list[tuple[str, str]]) -> None:
        self.noun = noun
        self.failed = failed

    @property
    def name(self) -> str:
        """What the message is called: its sequence, where it has one."""
        sequence = getattr(self.noun, "sequence", 0)
        return f"#{sequence}" if sequence else f"id {quoted(getattr(self.noun, 'id', ''))}"


class Expectation(Generic[N]):
    """Counts messages as they come. `matched` gets those that fulfil every condition of `view`."""

    def __init__(
        self,
        wanted: Wanted,
        view: MessageView[N],
        never: list[Condition],
        matched: Callable[[N], None],
    ) -> None:
        self.came = self.matched = 0
        self.misses: list[Miss[N]] = []
        self.forbidden: list[Miss[N]] = []
        self._wanted = wanted
        self._view = view
        self._never = never
        self._on_match = matched

    def see(self, noun: N) -> bool:
        """Count one message; whether it matched."""
        self.came += 1
        shown, is_decoded = self._view.decoded(noun)
        body = Body(getattr(shown, "body", b""))

        def holds(condition: Condition) -> bool:
            return self._view.holds(condition, shown, body, is_decoded)

        if bad := [c for c in self._never if holds(c)]:
            self._note(self.forbidden, Miss(shown, [(c.text, "") for c in bad]))
        if failed := [c for c in self._view.conditions if not holds(c)]:
            self._note(self.misses, Miss(shown, [(c.text, _found(c, shown, body)) for c in failed]))
            return False
        if self._wanted.is_free:
            return False
        self.matched += 1
        self._on_match(shown)
        return True

    @staticmethod
    def _note(kept: list[Miss[N]], miss: Miss[N]) -> None:
        """Keep it if it is among those that miss the fewest conditions; of equals the first stay."""
        kept.append(miss)
        kept.sort(key=lambda m: len(m.failed))
        del kept[MOST_SHOWN:]

    @property
    def is_decided(self) -> bool:
        """Whether nothing that may still come makes a difference."""
        most = self._wanted.most
        if self.forbidden or (most is not None and self.matched > most):
            return True
        return most is None and 0 < self._wanted.least <= self.matched

    @property
    def rests_on_silence(self) -> bool:
        """Whether the verdict is one of what has not come: what was not seen might change it."""
        least, most = self._wanted
        if self.forbidden or (most is not None and self.matched > most):
            return False
        return bool(self._never) or most is not None or self.matched < least

    def failure(self, channel: str) -> str:
        """Why it does not hold; empty when it does."""
        least, most = self._wanted
        if self.forbidden:
            miss = self.forbidden[0]
            return f"{miss.name} came to {channel}, and must not: {quoted(miss.failed[0][0], LONGEST)}"
        others = self.came - self.matched
        more = f", {count_text(others, 'other')} did not match" if others else ""
        if self.matched < least:
            return f"{self.matched:,} of {least:,} expected came to {channel}{more}"
        if most is not None and self.matched > most:
            came = f"{count_text(self.matched, 'message')} came to {channel}"
            return f"{came}, {most or 'none'} {'were' if most > 1 else 'was'} expected{more}"
        return ""

    def seen(self) -> list[str]:
        """The lines that show a person what came instead: the nearest misses, and what each of them lacks."""
        lines = [line for miss in self.forbidden for line in _lines(miss)]
        if not self.forbidden and self.misses:
            lines.append("the nearest that came, and what each of them is not:")
            lines += [line for miss in self.misses for line in _lines(miss)]
        return lines

    def seen_records(self) -> list[str]:
        """The same as JSON, a line a message: its record, and `failed` with the conditions."""
        return [
            json.dumps(
                {**to_record(miss.noun), "failed": [text for text, _ in miss.failed]}, ensure_ascii=False
            )
            for miss in self.forbidden or self.misses
        ]


def _lines(miss: Miss[N]) -> list[str]:
    name = f"  {miss.name}  "
    first = True
    lines = []
    for text, found in miss.failed:
        told = quoted(text, LONGEST)
        what = f"{told}: {found}" if found else f"matches {told}"
        lines.append((name if first else " " * len(name)) + what)
        first = False
    return lines


def _found(condition: Condition, noun: object, body: Body) -> str:
    """What a condition found where it looked, in a few words."""
    found = condition.read(noun, body)
    if isinstance(found, (dict, list)):
        return "it is an object" if isinstance(found, dict) else "it is a list"
    text = text_form(found)
    if text is None:
        return "it is null" if found is None else "missing"
    return f"it is {quoted(text, _LONGEST_VALUE)}"
