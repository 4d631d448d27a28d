"""`--where FIELD=VALUE`: which messages are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Received
from kubemqctl.model.text import argument_bytes

Wanted = Callable[[Received], bool]


def where(conditions: Iterable[str]) -> Wanted | None:
    """Whether a message fulfils all of `FIELD=VALUE`, FIELD as in a template; None for no condition.

    Raises UsageError.
    """
    tests = [_condition(text) for text in conditions]
    if not tests:
        return None
    return lambda message: all(test(message) for test in tests)


def _condition(text: str) -> Wanted:
    from kubemqctl.output.template import compile_template

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--where takes FIELD=VALUE, not {text}", hint="as in --where 'tags[kind]=new'")
    try:
        render = compile_template(f"{{{name}}}", Received)
    except UsageError as e:
        e.message = e.message.replace("--format", "--where", 1)
        raise
    expected = argument_bytes(value) + b"\n"
    return lambda message: render(message) == expected
