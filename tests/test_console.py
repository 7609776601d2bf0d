"""Names from files reach a person's terminal as text: none of them moves its cursor, renames its window or styles what is written."""

import pytest

from inspection import console
from inspection.errors import InputError

EVIL = "\x1b[2JL1\x1b]0;owned\x07 \x9b31m \u202etxt [red]bold"


def test_no_name_commands_the_terminal(capsys):
    console.table(f"lot {EVIL}", ("lot",), [[EVIL], [{"of": [EVIL]}]])
    console.answer({"lot": EVIL}, as_json=False, title=EVIL)
    console.advise(EVIL)
    with pytest.raises(SystemExit):
        console.fail(InputError(f"No lot {EVIL}: expected another."))
    out, err = capsys.readouterr()
    for said in (out, err):
        assert not set("\x1b\x07\x9b\u202e") & set(said)
        assert "\\x1b[2JL1" in said
        assert "[red]bold" in said


def test_what_people_write_stays_as_it_is(capsys):
    console.advise("5\N{NO-BREAK SPACE}% \N{EN DASH} Größe \N{CJK UNIFIED IDEOGRAPH-6676}")
    assert capsys.readouterr().out == "5\N{NO-BREAK SPACE}% \N{EN DASH} Größe \N{CJK UNIFIED IDEOGRAPH-6676}\n"
