"""The right face for each letter, the right form for each place, and every character accounted for."""

from __future__ import annotations

import random

import pytest
from scripts_sample import MIXED, SAMPLES

from audit.errors import ResourceError
from reports.typesetting import bidi
from reports.typesetting.faces import FACES, face, first_missing
from reports.typesetting.shaping import prepared, shape

TEXTS = {code: prepared(text) for code, _, text in SAMPLES}


def glyphs(shaped):
    return [glyph.id for run in shaped.runs for cluster in run.clusters for glyph in cluster.glyphs]


@pytest.mark.parametrize("code", TEXTS)
def test_each_character_is_in_exactly_one_cluster_and_none_is_a_box(code):
    shaped = shape(TEXTS[code], language=code, base=None)
    covered = [(r.start + c.start, r.start + c.end) for r in shaped.runs for c in r.clusters]
    assert covered[0][0] == 0
    assert [a for a, _ in covered[1:]] == [b for _, b in covered[:-1]]
    assert covered[-1][1] == len(shaped.text)
    assert 0 not in glyphs(shaped)


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("ur", "NotoNastaliqUrdu"),
        ("ar", "NotoNaskhArabic"),
        ("fa", "NotoNaskhArabic"),
        ("zh-Hans", "NotoSansSC"),
        ("zh-Hant", "NotoSansTC"),
        ("ja", "NotoSansJP"),
        ("ko", "NotoSansKR"),
        ("hi", "NotoSansDevanagari"),
        ("yo", "NotoSans"),
    ],
)
def test_a_language_is_set_in_its_own_face(code, key):
    shaped = shape(TEXTS[code], language=code)
    words = [run for run in shaped.runs if any(c.isalpha() for c in shaped.text[run.start : run.end])]
    assert {run.face.key for run in words if run.script != "Latn" or code == "yo"} == {key}


def test_figures_among_ideographs_are_those_of_the_latin_face():
    """Theirs have no bold."""
    shaped = shape("效应为 −0.31，", language="zh-Hans", bold=True)
    faces = {shaped.text[run.start : run.end].strip(): (run.face.key, run.face.bold) for run in shaped.runs}
    assert faces["−0.31"] == ("NotoSans", True)
    assert faces["，"] == ("NotoSansSC", False)


def test_the_same_character_has_the_shape_of_its_language():
    """骨 differs between Chinese and Japanese."""
    keys = [shape("骨", language=code).runs[0].face.key for code in ("zh-Hans", "zh-Hant", "ja")]
    assert keys == ["NotoSansSC", "NotoSansTC", "NotoSansJP"]
    assert shape("骨のある").runs[0].face.key == "NotoSansJP"  # kana tell the language where nobody says it


def test_letters_of_arabic_join_and_conjuncts_of_hindi_are_one():
    alone = [glyph for c in "سلم" for glyph in glyphs(shape(c, base=1))]
    assert glyphs(shape("سلم", base=1)) != alone
    (run,) = shape("क्षत्रिय", language="hi").runs
    assert [run.end - run.start, len(run.clusters)] == [8, 3]  # kṣa, tri, ya


def test_letters_keep_their_joined_forms_where_a_line_or_a_bold_stretch_cuts_a_word():
    whole = shape("محمد", base=1)
    cut = [c.glyphs for run in (*whole.pieces(0, 2), *whole.pieces(2, 4)) for c in run.clusters]
    assert cut == [c.glyphs for run in whole.runs for c in run.clusters]
    bold = shape("محمد", base=1, bold=((2, 4),))
    assert [run.face.bold for run in bold.runs] == [False, True]
    assert (
        bold.runs[1].clusters[0].glyphs != shape("مد", base=1, bold=True).runs[0].clusters[0].glyphs
    )  # medial, not initial


def test_bold_is_bold_where_the_face_has_it():
    assert all(face(key, bold=True).bold for key in FACES if key not in BOLDLESS)
    assert not any(face(key, bold=True).bold for key in BOLDLESS)


BOLDLESS = {"NotoSansSC-Signs", "NotoNastaliqUrdu", "NotoSansSC", "NotoSansTC", "NotoSansJP", "NotoSansKR"}


def test_digits_in_a_right_to_left_line_keep_their_order_and_brackets_turn():
    """Line of "דף (12) א": from left to right alef, the bracket, 12, the bracket, the rest."""
    shaped = shape("דף (12) א", base=1)
    order = bidi.visual_order([run.level for run in shaped.runs])
    assert [shaped.text[shaped.runs[i].start : shaped.runs[i].end] for i in order] == [") א", "12", "דף ("]
    left = next(c for c in shaped.runs[0].clusters if shaped.text[c.start] == "(")
    assert [g.id for g in left.glyphs] == glyphs(shape(")", language="he"))  # drawn as it opens from the right


def test_mixed_lines_have_their_words_in_order_from_the_side_where_they_begin():
    told = {}
    for base in (0, 1):
        shaped = shape(MIXED, base=base)
        order = [shaped.runs[i] for i in bidi.visual_order([run.level for run in shaped.runs])]
        told[base] = [shaped.text[run.start : run.end].strip() for run in order]
    assert told[0][0].startswith("English")
    assert told[0][-1].endswith("end.")
    assert told[1][-1].startswith("English")
    assert told[0].index("12") < told[0].index("שלום")
    assert told[0].index("עולם") < told[0].index("12")


@pytest.mark.parametrize(
    ("character", "name"), [("\u1780", "KHMER LETTER KA"), ("\ue000", "a control"), ("\x07", "a control")]
)
def test_a_character_without_a_face_fails_by_name_and_place(character, name):
    said = rf'"before \[U\+{ord(character):04X}\] after" holds U\+{ord(character):04X} \({name}'
    with pytest.raises(ResourceError, match=said):
        shape(f"before {character} after")


def test_lines_are_no_wider_than_asked_and_lose_nothing():
    for code, text in TEXTS.items():
        shaped = shape(text, language=code, base=None)
        for width in (3_000.0, 9_000.0, 40_000.0):
            lines = shaped.lines(width)
            assert [a for a, _ in lines] == [0, *(b for _, b in lines[:-1])]
            assert lines[-1][1] == len(shaped.text)
            for a, b in lines:
                one_letter = len(shaped.text[a:b].rstrip()) == 1 or width == 3_000.0
                assert shaped.width(a, shaped.visible_end(a, b)) <= width + 0.1 or one_letter


def test_a_word_longer_than_the_line_is_cut_between_letters():
    shaped = shape("ẹ̀" * 50)
    lines = shaped.lines(5_000.0)
    assert len(lines) > 3
    assert all(shaped.text[a:b].replace("ẹ̀", "") == "" for a, b in lines)


def test_a_space_after_a_sign_of_a_face_without_spaces_is_set_in_another():
    assert not face("NotoSansSC-Signs").draws(" ")
    assert shape("■ a").text == "■ a"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_faces_have_is_set_in_any_mixture(seed):
    """What `first_missing` lets pass is never refused later, and each character is in exactly one cluster."""
    draw = random.Random(seed)
    held = [sorted(face(key).coverage) for key in FACES]
    pool = [chr(code) for codes in held for code in draw.sample(codes, min(40, len(codes)))]
    pool += list("\u200d\u200c\u202e\u2067\u2069\u200f\u00ad\ufe0f\u034f ()[]12.%،\u0600\u06dd")
    for _ in range(200):
        text = prepared("".join(draw.choices(pool, k=draw.randint(1, 40)))).replace("\n", " ")
        if first_missing(text) is not None:
            continue
        shaped = shape(text, language=draw.choice(["", "en", "ar", "ur", "ja", "th"]), base=None)
        covered = [i for r in shaped.runs for c in r.clusters for i in range(r.start + c.start, r.start + c.end)]
        assert covered == list(range(len(shaped.text)))
        assert shaped.lines(4_000.0)[-1][1] == len(shaped.text)
