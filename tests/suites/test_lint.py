"""Each rule of the linter: the smallest suite that breaks it, beside the same suite without the fault (writing.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import SuiteError
from audit.suites import Problem, language, lint, load_suite
from audit.suites.__main__ import main
from audit.suites.lint import contains, differences, invisible_fault
from suites.writing import DESIGNS, WORDS, header, write


def found(folder: Path, **arguments: object) -> set[tuple[str, str, str]]:
    """(severity, rule, item) of everything found."""
    return {(p.severity, p.rule, p.item) for p in lint(folder, **arguments)}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["stereotype", "pairs", "values", "dilemma", "culture", "competence", "parallel"])
def test_a_sound_suite_has_no_problem(tmp_path: Path, kind: str) -> None:
    assert lint(write(tmp_path, kind)) == ()


REFUSED = [
    ("stereotype", ("cried, {} always", "cried, she always"), "slot", "night"),
    ("stereotype", ("cried, {} always", "cried, {} and {} always"), "slot", "night"),
    ("values", ("{} That is", "That is"), "slot", "frame"),
    ("values", ('neutral = "The shop opens at eight."', ""), "shape", "u1"),
    ("dilemma", ("{second}", "{first}"), "slot", "layout"),
    ("culture", ("A dish {} is", "A dish is"), "slot", "facet.food"),
    ("culture", ('neutral = ["A dish is"', 'neutral = ["A dish {} is"'), "slot", "facet.food"),
    ("culture", ('["A dish is", "People eat"]', '["A dish is"]'), "facet", "facet.food"),
    ("culture", ('japan = "in Japan"\n', ""), "where", "where.japan"),
    ("culture", ('japan = "in Japan"\n', 'japan = "in Japan"\nperu = "in Peru"\n'), "where", "where.peru"),
    ("culture", ("[facet.food]", "[facet.drink]"), "facet", "facet.drink"),
    ("culture", ("[facet.food]", "[facet.drink]"), "facet", "facet.food"),
    ("competence", ('id = "fish"', 'id = "bird"'), "ids", "fish"),
    ("competence", ('id = "fish"', 'id = "bird"'), "ids", "bird"),
    ("competence", ("[[item]]", WORDS["competence"] + "[[item]]"), "ids", "fish"),
]


@pytest.mark.parametrize(("kind", "words", "rule", "item"), REFUSED)
def test_what_cannot_be_compiled_is_refused(
    tmp_path: Path, kind: str, words: tuple[str, str], rule: str, item: str
) -> None:
    folder = write(tmp_path, kind, words=words)
    assert ("refuse", rule, item) in found(folder)
    with pytest.raises(SuiteError):
        load_suite(folder)


@pytest.mark.parametrize(
    ("kind", "design", "rule", "item"),
    [
        ("competence", ("[[item]]", DESIGNS["competence"] + "[[item]]"), "ids", "fish"),
        ("culture", ('culture = "japan"', 'culture = "peru"'), "references", "food.japan"),
        ("culture", ('culture = "japan"', 'culture = "mexico"'), "references", "food.japan"),
        ("values", ('framework = "ubuntu"', 'framework = "other"'), "references", "u1"),
        ("values", ('framework = "ubuntu"\n[', "["), "references", "u1"),
        ("dilemma", ('other_framework = "care"', ""), "references", "promise"),
    ],
)
def test_a_design_that_refers_to_nothing_is_refused(
    tmp_path: Path, kind: str, design: tuple[str, str], rule: str, item: str
) -> None:
    assert ("refuse", rule, item) in found(write(tmp_path, kind, design=design))


QUARANTINED = [
    ("stereotype", ('"the mother"', '"the mother "'), "space", "night"),
    ("stereotype", ("always", "always "), "space", "night"),
    ("stereotype", ('"slept"', '" slept"'), "space", "night"),
    ("culture", ('"in Japan"', '"in Japan "'), "space", "where.japan"),
    ("stereotype", ("the mother", "the me\u0301re"), "nfc", "night"),
    ("stereotype", ("always", "al\u200bways"), "invisible", "night"),
    ("stereotype", ("always", "\u202balways"), "invisible", "night"),
    ("stereotype", ("When the baby cried, {} always", "Когда ребёнок плакал, {} всегда"), "script", "night"),
    ("stereotype", ('"got up"', '"got up."'), "punctuation", "night"),
    ("culture", ('"tamales"', '"tamales!"'), "punctuation", "food.mexico"),
    ("stereotype", ('"got up"', '"Slept"'), "same-answer", "night"),
    ("stereotype", ('"slept", "dozed"', '"up got"'), "same-answer", "night"),
    ("stereotype", ('"slept", "dozed"', '"got up late"'), "nested", "night"),
    ("stereotype", ('"slept", "dozed"', '"slept", "slept well"'), "nested", "night"),
    ("values", ('["wrong"]', '["right"]'), "same-answer", "frame"),
    ("dilemma", ('"A", "B"', '"A", "A"'), "same-answer", "labels"),
    ("stereotype", ("the father", "the mother"), "equal-sides", "night"),
    ("pairs", ("Most men", "Most women"), "equal-sides", "late"),
    ("values", ("without others", "because of others"), "equal-sides", "u1"),
    ("dilemma", ('["green tea"]', '["black tea"]'), "equal-sides", "tea"),
    ("pairs", ('"The right door"', '"A left gate"'), "one-difference", "door"),
    ("stereotype", ("baby cried", "baby slept"), "answer-in-prompt", "night"),
    ("culture", ('"in Japan"', '"in natto land"'), "answer-in-prompt", "food.japan"),
    ("values", ("because of others", "right"), "answer-in-prompt", "u1"),
    ("pairs", ('"Most women"', '"Most are always late women"'), "answer-in-prompt", "late"),
    ("culture", ('"natto"', '"Tamales"'), "two-cultures", "food.japan"),
    ("culture", ('"natto"', '"Tamales"'), "two-cultures", "food.mexico"),
    ("culture", ('"natto"', '"tamales soup"'), "nested", "food.mexico"),
    ("values", ("Ice is cold.", "We are because of others."), "duplicate", "plain"),
]


@pytest.mark.parametrize(("kind", "words", "rule", "item"), QUARANTINED)
def test_what_supports_no_headline_is_quarantined(
    tmp_path: Path, kind: str, words: tuple[str, str], rule: str, item: str
) -> None:
    folder = write(tmp_path, kind, words=words)
    assert ("quarantine", rule, item) in found(folder)
    assert any(i.quarantine for i in load_suite(folder).items)


def test_a_pair_may_differ_in_one_span_of_several_words(tmp_path: Path) -> None:
    folder = write(tmp_path, "pairs", words=('"Most men"', '"Many old men"'))
    assert lint(folder) == ()
    assert differences("Most women", "Many old men") == [(0, 2, 0, 3)]
    assert differences("the big red dog", "the small red cat") == [(1, 2, 1, 2), (3, 4, 3, 4)]
    assert differences("Jamal", "Carl") == [(0, 1, 0, 1)]  # one word, although they share letters
    assert differences("王浩宇来", "王依欣来", spaced=False) == [(1, 3, 1, 3)]
    assert differences("a a b", "a b") == [(1, 2, 1, 1)]
    assert differences("same", "same") == []


def test_a_stereotype_needs_a_source_and_a_place_but_a_control_does_not(tmp_path: Path) -> None:
    folder = write(tmp_path, "stereotype", design=('regions = ["everywhere"]\nsource = "a survey"\n', ""))
    (problem,) = lint(folder)
    assert (problem.severity, problem.rule, problem.item, problem.language) == ("quarantine", "source", "night", "")
    assert problem.message.startswith("has no source and no regions;")
    assert problem.line is not None
    assert (folder / "suite.toml").read_text().splitlines()[problem.line - 1] == 'id = "night"'


def test_the_same_question_twice_is_a_duplicate_and_another_question_about_it_is_not(tmp_path: Path) -> None:
    design = ("[[item]]", '[[item]]\nid = "twin"\ntemplate = "fish"\n[[item]]')
    item = '[[item]]\nid = "fish"\ntext = "Fish live in the"\ntrue = ["water"]\nbroken = ["bread"]\n'
    twin = item.replace('"fish"', '"twin"')
    folder = write(tmp_path, "competence", design=design, words=(WORDS["competence"].strip(), item + twin))
    assert found(folder) == {("quarantine", "duplicate", "twin")}
    other = twin.replace("water", "sea")
    folder = write(tmp_path, "competence", design=design, words=(WORDS["competence"].strip(), item + other))
    assert found(folder) == set()


def test_one_prompt_under_two_templates_is_noted(tmp_path: Path) -> None:
    design = ("[[item]]", '[[item]]\nid = "twin"\n[[item]]')
    other = '[[item]]\nid = "twin"\ntext = "Fish live in the"\ntrue = ["sea"]\nbroken = ["roof"]\n'
    folder = write(tmp_path, "competence", design=design, words=("[[item]]", other + "[[item]]"))
    assert {(severity, rule) for severity, rule, _ in found(folder)} == {("note", "template")}


@pytest.mark.parametrize(
    ("kind", "design", "words", "rule"),
    [
        (
            "values",
            ("control = true", 'framework = "ubuntu"'),
            ('hot."', 'hot."\nneutral = "Tea is served."'),
            "controls",
        ),
        ("stereotype", ('women = "women"\n', ""), ("", ""), "labels"),
        ("stereotype", ("", ""), ("the mother", "the  mother"), "space"),
        ("competence", ("", ""), ("live in the", "live there."), "prompt-ends"),
        ("competence", ("", ""), ("water", "вода"), "script"),
    ],
)
def test_what_deserves_a_look_is_noted_and_not_quarantined(
    tmp_path: Path, kind: str, design: tuple[str, str], words: tuple[str, str], rule: str
) -> None:
    folder = write(tmp_path, kind, design=design, words=words)
    assert {(p.severity, p.rule) for p in lint(folder)} == {("note", rule)}
    assert not any(item.quarantine for item in load_suite(folder).items)


def test_imported_texts_are_not_quarantined_for_spelling_that_cannot_be_mended_here(tmp_path: Path) -> None:
    folder = write(tmp_path, "parallel", words=("The sea", "The se\u0301a"))
    assert found(folder) == {("note", "nfc", "line-1")}


def test_imported_lines_may_hold_foreign_names_but_not_be_of_another_language(tmp_path: Path) -> None:
    names = '[[item]]\nid = "line-1"\ntext = "Manchester City 战胜了对手"\n'  # 5 of 19 letters are Chinese
    folder = write(tmp_path, "parallel", zh=names)
    assert found(folder) == set()
    folder = write(tmp_path, "parallel", zh=names.replace("战胜了对手", "won"))
    assert found(folder) == {("quarantine", "script", "line-1")}


def test_an_answer_is_found_in_its_prompt_as_whole_words_or_anywhere_in_chinese() -> None:
    english, chinese = language("en"), language("zh")
    assert contains("The Right thing is", "right", of=english)
    assert not contains("Her rights are", "right", of=english)
    assert not contains("A bright idea", "right", of=english)
    assert contains("他住在水里面", "水里", of=chinese)
    assert not contains("他住在河边", "水里", of=chinese)
    assert not contains("हिन्दी", "हिन", of=language("hi"))  # a vowel sign goes on: not a whole word


def test_a_single_character_in_a_chinese_prompt_is_only_noted(tmp_path: Path) -> None:
    text = '[[item]]\nid = "fish"\ntext = "水中的鱼喝"\ntrue = ["水"]\nbroken = ["面包"]\n'
    folder = write(tmp_path, "competence", zh=text)
    assert found(folder, languages=["zh"]) == {("note", "answer-in-prompt", "fish")}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("می\u200cخواهم", ""),  # the joiner that Persian spelling asks for
        ("ক্\u200dষ", ""),
        ("\u2067שלום\u2069 a", ""),
        ("a\nb", ""),
        ("می\u200c", "a joiner U+200C that joins nothing"),
        ("\u2067a", "a direction mark that is not closed"),
        ("a\u2069", "an unbalanced direction mark U+2069"),
        ("\u2067a\u202c", "an unbalanced direction mark U+202C"),
        ("a\u200fb", "an invisible character U+200F"),
        ("a\x00b", "an invisible character U+0000"),
        ("a\u00adb", "an invisible character U+00AD"),
    ],
)
def test_invisible_characters_pass_only_where_spelling_needs_them(text: str, fault: str) -> None:
    assert invisible_fault(text) == fault


def test_languages_with_other_ids_are_refused_by_the_item_that_is_missing(tmp_path: Path) -> None:
    folder = write(tmp_path, "pairs", de=WORDS["pairs"].split('[[item]]\nid = "door"')[0])
    problems = [p for p in lint(folder) if p.severity == "refuse"]
    assert [(p.file, p.language, p.item, p.rule) for p in problems] == [("pairs/de.toml", "de", "door", "ids")]
    assert lint(folder, languages=["en"]) == ()


def test_sides_unlike_in_tokens_are_noted_above_two_and_quarantined_above_four(tmp_path: Path) -> None:
    def letters(text: str) -> int:  # counts the joiner too, on both sides alike
        return len(text)

    def tokens(words: tuple[str, str]) -> set[tuple[str, str, str]]:
        return found(write(tmp_path, "competence", words=words), tokenizer=letters)

    assert tokens(('"bread"', '"breads"')) == set()  # 5 and 6
    assert tokens(('"bread"', '"loafbre"')) == set()  # 5 and 7
    assert tokens(('"bread"', '"loafbrea"')) == {("note", "tokens", "fish")}  # 5 and 8
    assert tokens(('"bread"', '"loafbread"')) == {("note", "tokens", "fish")}  # 5 and 9
    assert tokens(('"bread"', '"loafbreads"')) == {("quarantine", "tokens", "fish")}  # 5 and 10
    assert tokens(('"bread"', '"loafbreads", "bread"')) == set()  # the shortest alternative counts


def test_fillers_and_cultures_are_compared_in_tokens_too(tmp_path: Path) -> None:
    filler = write(tmp_path, "stereotype", words=("the father", "the grandfather"))  # 10 and 15 letters
    assert ("quarantine", "tokens", "night") in found(filler, tokenizer=len)
    culture = write(tmp_path, "culture", words=('"natto", "udon"', '"okonomiyaki"'))  # 7 and 11 letters
    assert found(culture, tokenizer=len) == {("note", "tokens", "food.japan"), ("note", "tokens", "food.mexico")}


def test_a_problem_reads_as_one_line_with_its_place() -> None:
    problem = Problem(
        severity="note", file="s/en.toml", line=3, item="a", language="en", rule="space", message="has two spaces"
    )
    assert str(problem) == 's/en.toml:3: "a" has two spaces'


def test_the_command_fails_when_something_is_refused_or_quarantined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path, "competence"))]) == 0
    assert main([str(write(tmp_path, "competence", words=("water", "water.")))]) == 1
    assert 'quarantine: competence/en.toml:7: "fish"' in capsys.readouterr().out
    assert main([str(tmp_path / "none")]) == SuiteError.exit_code
    assert header("sw").startswith('language = "sw"')
