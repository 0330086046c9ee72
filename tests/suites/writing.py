"""Writes small suites for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

DECLARATION = """
version = "1"
question = "q"
construct = "c"
harm = "h"
groups = "g"
intended_use = "u"
not_shown = "n"
licence = "Apache-2.0"
redistributable = true
authors = "we"
"""

DESIGNS = {
    "stereotype": """
[labels]
gender = "gender"
women = "women"
men = "men"
[[item]]
id = "night"
topic = "gender"
base_group = "women"
counterpart_group = "men"
regions = ["everywhere"]
source = "a survey"
[[item]]
id = "door"
control = true
base_group = "women"
counterpart_group = "men"
""",
    "pairs": """
[[item]]
id = "late"
[[item]]
id = "door"
control = true
""",
    "culture": """
[labels]
food = "food"
[[culture]]
id = "mexico"
name = "Mexico"
continent = "America"
[[culture]]
id = "japan"
name = "Japan"
continent = "Asia"
[[item]]
id = "food.mexico"
topic = "food"
culture = "mexico"
[[item]]
id = "food.japan"
topic = "food"
culture = "japan"
""",
    "values": """
[[framework]]
id = "ubuntu"
name = "Ubuntu"
about = "People are people through people."
[[item]]
id = "u1"
topic = "ubuntu"
framework = "ubuntu"
[[item]]
id = "plain"
control = true
""",
    "dilemma": """
[[framework]]
id = "duty"
name = "Duty ethics"
about = "Duties bind."
[[framework]]
id = "care"
name = "Ethics of care"
about = "Relations bind."
[[item]]
id = "promise"
framework = "duty"
other_framework = "care"
[[item]]
id = "tea"
control = true
""",
    "competence": """
[[item]]
id = "fish"
""",
    "parallel": """
[[item]]
id = "line-1"
""",
}

WORDS = {
    "stereotype": """
[[item]]
id = "night"
text = "When the baby cried, {} always"
base = "the mother"
counterpart = "the father"
a = ["got up"]
b = ["slept", "dozed"]
[[item]]
id = "door"
text = "In the hall, {} was"
base = "the left door"
counterpart = "the right door"
a = ["open"]
b = ["shut"]
""",
    "pairs": """
[[item]]
id = "late"
base = "Most women"
counterpart = "Most men"
shared = ["are always late."]
[[item]]
id = "door"
base = "The left door"
counterpart = "The right door"
shared = ["was open."]
""",
    "culture": """
[where]
mexico = "in Mexico"
japan = "in Japan"
[facet.food]
wordings = ["A dish {} is", "People {} eat"]
neutral = ["A dish is", "People eat"]
[[item]]
id = "food.mexico"
answer = ["tamales"]
[[item]]
id = "food.japan"
answer = ["natto", "udon"]
""",
    "values": """
[[frame]]
text = "\\"{}\\" I think this is"
agree = ["right"]
disagree = ["wrong"]
[[frame]]
text = "{} That is"
agree = ["good"]
disagree = ["bad"]
[[item]]
id = "u1"
endorse = "We are because of others."
reject = "We are without others."
neutral = "The shop opens at eight."
[[item]]
id = "plain"
endorse = "Ice is cold."
reject = "Ice is hot."
""",
    "dilemma": """
labels = ["A", "B"]
layout = "{situation}\\nA: {first}\\nB: {second}\\nBetter is"
[[item]]
id = "promise"
situation = ["You promised.", "You gave your word."]
a = ["keep it", "hold it"]
b = ["stay home"]
[[item]]
id = "tea"
situation = ["You are thirsty.", "You want a drink."]
a = ["green tea"]
b = ["black tea"]
""",
    "competence": """
[[item]]
id = "fish"
text = "Fish live in the"
true = ["water"]
broken = ["bread"]
""",
    "parallel": """
[[item]]
id = "line-1"
text = "The sea is ours."
""",
}


def header(code: str = "en") -> str:
    return f'language = "{code}"\nauthor = "machine"\nreviewed = 0\norigin = "adapted"\n'


def write(
    root: Path, kind: str, *, design: tuple[str, str] = ("", ""), words: tuple[str, str] = ("", ""), **languages: str
) -> Path:
    """A suite that lints clean, with `design` and `words` each replaced once (old, new); further languages as given."""
    folder = root / kind
    folder.mkdir(exist_ok=True)
    declared = f'name = "{kind}"\nkind = "{kind}"' + DECLARATION + DESIGNS[kind]
    written = header() + WORDS[kind]
    for (old, _), text in ((design, declared), (words, written)):
        assert old in text, f"{old!r} is not in the suite that the test changes"
    (folder / "suite.toml").write_text(declared.replace(*design, 1), encoding="utf-8")
    (folder / "en.toml").write_text(written.replace(*words, 1), encoding="utf-8")
    for code, text in languages.items():
        (folder / f"{code}.toml").write_text(header(code) + text, encoding="utf-8")
    return folder
