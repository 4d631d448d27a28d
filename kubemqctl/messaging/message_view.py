"""Messages as they are shown: decoded as `--decode` says, and only those that `--where` means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kubemqctl.messaging.encodings import Protobuf, decoder
from kubemqctl.model.paths import Body
from kubemqctl.model.text import id_text

if TYPE_CHECKING:
    from kubemqctl.messaging.conditions import Condition

N = TypeVar("N")
"""A message of any pattern: a NamedTuple with an id and a body."""


class MessageView(Generic[N]):
    """Messages as `--decode` and `--where` show them: called with one, it gives what to print, or None.

    A body that does not decode stays as it is, is warned of once a run, and fulfils no condition on its
    inside.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        decode: Callable[[bytes], bytes] | None,
        warn: Callable[[str], None],
    ) -> None:
        self.conditions = conditions
        self._decode = decode
        self._warn: Callable[[str], None] | None = warn

    def __call__(self, noun: N) -> N | None:
        """`noun` with its body decoded when it fulfils every condition, else None."""
        shown, is_decoded = self.decoded(noun)
        body = Body(getattr(shown, "body", b""))
        return shown if all(self.holds(c, shown, body, is_decoded) for c in self.conditions) else None

    @staticmethod
    def holds(condition: Condition, noun: object, body: Body, is_decoded: bool) -> bool:
        """Whether it holds; nothing is known of the inside of a body that could not be decoded."""
        is_inside = condition.path.field == "body" and bool(condition.path.steps)
        return (is_decoded or not is_inside) and condition.holds(noun, body)

    def decoded(self, noun: N) -> tuple[N, bool]:
        """`noun` as it is to be shown, and whether its body is what `--decode` says."""
        if self._decode is None:
            return noun, True
        message: Any = noun
        try:
            return message._replace(body=self._decode(message.body)), True
        except ValueError as e:
            if self._warn:
                self._warn(f"the body of {id_text(message.id)} is shown as it is: {e}")
                self._warn = None
            return noun, False


def rendered(view: MessageView[Any] | None, render: Callable[[object], bytes]) -> Callable[[object], bytes]:
    """`render` of messages as `view` decodes them; itself without a view."""
    return render if view is None else lambda noun: render(view.decoded(noun)[0])


def message_view(
    noun_type: type[N],
    where: Sequence[str],
    decode: Sequence[str],
    protobuf: Protobuf,
    warn: Callable[[str], None],
) -> MessageView[N] | None:
    """The view that `--where`, `--decode`, `--proto-set` and `--proto-type` ask for; None for none of them.

    Raises UsageError for a condition on what `noun_type` lacks and for options that do not fit together,
    NotFound and ConfigError for the set of descriptors: all before anything is taken from a server.
    """
    conditions: list[Condition] = []
    if where:
        from kubemqctl.messaging.conditions import parse_conditions

        conditions = parse_conditions(where, noun_type, warn)
    step = decoder(decode, protobuf)
    return MessageView(conditions, step, warn) if conditions or step else None
