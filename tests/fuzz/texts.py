"""What people and programs may type where a value is expected: anything, and what nearly is one."""

from __future__ import annotations

from hypothesis import strategies as st

from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Policy, Received

# A command line holds bytes; those that are no UTF-8 arrive as lone surrogates.
ARGUMENTS = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))
_WORDS = r"""
0 1 9 -1 +1 . , : ; = / \ - -- @ # % * > ~ ! ? $ ' " ` & | < ( ) [ ] { }
d h m s ms us ns B KB KiB MiB GB /s /m /h new first last now true false null yes no on off
localhost 127.0.0.1 [::1] :50000 ::1 http:// 65536 tags policy body sequence kind channel
2024-05-31 T 08:30:00 Z +02:00 .5 23:59:60 0000 9999 99999999999999999999
ack reject extend resend modify next ${HOME} ${ } {} {{ }} [] $( \x41 \n \0 \q
"""
PIECES = st.sampled_from(
    [
        *_WORDS.split(),
        *("", " ", "\t", "\n", "\r", "\0", "\x1b[31m", "\x7f", "\x9b", "\u202e", "\u2028"),
        *("\udcff", "é", "e\u0301", "١", "²", "Ａ", "😀", "\ufeff", "0" * 41, "9" * 5000, "x" * 300),
    ]
)
NEARLY = st.lists(PIECES, max_size=8).map("".join)
NUMBERISH = st.text("0123456789.,-+eE_", max_size=25)
TEXTS = st.one_of(ARGUMENTS, NEARLY, NUMBERISH, st.text(max_size=20))

STRINGS = st.text(max_size=12)
BODIES = st.one_of(st.binary(max_size=20), STRINGS.map(str.encode))
INT32 = st.one_of(st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]), st.integers(-(2**31), 2**31 - 1))
INT64 = st.one_of(st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
UINT64 = st.one_of(st.sampled_from([0, 1, 2**64 - 1]), st.integers(0, 2**64 - 1))
TAGS = st.dictionaries(STRINGS, STRINGS, max_size=3)
POLICIES = st.builds(Policy, INT32, INT32, INT32, STRINGS) | st.just(NO_POLICY)
RECEIVED = st.builds(
    Received,
    STRINGS,
    STRINGS,
    STRINGS,
    STRINGS,
    BODIES,
    TAGS | st.just(NO_TAGS),
    INT64,
    UINT64,
    INT32,
    STRINGS,
    INT64,
    INT64,
    POLICIES,
)
