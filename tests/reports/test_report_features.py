"""The pages of features: they say what the tables say, nothing of what nobody looked at, and never a box."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re

import feature_sample
import pandas as pd
import pytest
import report_sample as sample
from measures.feature_evidence import tables_from
from measures.synthetic import synthetic_evidence

from audit.measures import prepare
from audit.measures.capacity import capacity_map
from audit.records import Scope, Verdict
from reports import charts, content, feature_charts, feature_tables, features, pdf, styles, text
from reports.blocks import Document, Facts, Heading, Marked, Picture, Table, Text
from reports.case import Case
from reports.circuit_charts import INK
from reports.feature_tables import map_cells, runs_of, shade

pypdf = pytest.importorskip("pypdf")
NAN = float("nan")


def case_of(evidence, findings=()):
    return Case(evidence, tuple(findings), "run", text.can_draw, text.spelled_out)


def pages(evidence, findings=()):
    return features.feature_pages(case_of(evidence, findings))


def section(blocks, title):
    """Blocks under a heading of the second level."""
    start = next(i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.text.startswith(title))
    rest = blocks[start + 1 :]
    return rest[: next((i for i, b in enumerate(rest) if isinstance(b, Heading)), len(rest))]


def words_of(blocks):
    found = [b.text for b in blocks if isinstance(b, Text | Heading)]
    found += [b.alt for b in blocks if isinstance(b, Picture)]
    found += [str(cell) for b in blocks if isinstance(b, Table | Facts) for row in b.rows for cell in row]
    found += [b.title for b in blocks if isinstance(b, Marked)]
    found += ["".join(w for w, _ in runs) for b in blocks if isinstance(b, Marked) for _, runs in b.lines]
    return " ".join(found)


def rows_of(blocks):
    (table,) = [b for b in blocks if isinstance(b, Table)]
    return {row[0]: row for row in table.rows}


def svg_texts(chart):
    return [re.sub(r"<[^>]*>", "", t) for t in re.findall(r"<text[^>]*>(.*?)</text>", charts.svg(chart), re.DOTALL)]


@pytest.fixture(scope="module")
def looked():
    return feature_sample.evidence()


@pytest.fixture(scope="module")
def blocks(looked):
    return pages(looked, feature_sample.findings())


# --- where nobody looked --------------------------------------------------------------------------


def test_a_run_without_features_says_so_in_one_sentence_and_why():
    document = content.report(
        sample.evidence(), sample.findings(), command="", can_draw=lambda _: True, spelled_out=lambda t: t
    )
    assert features.TITLE in [b.text for b in document.blocks if isinstance(b, Heading)]
    for settings, why in (
        ({"sae": "none"}, "without features (--sae none)"),
        ({"sae": "bundled"}, "asked for features (--sae bundled), but its tables of them are empty"),
        ({}, "does not say that features were asked for"),
    ):
        (heading, said) = pages(sample.evidence(settings=settings))
        assert heading.text == features.TITLE
        assert said.text.startswith("Nobody looked: ")
        assert why in said.text


def test_a_run_without_such_suites_has_no_such_section():
    assert pages(sample.evidence(suites=sample.SUITES[:1])) == ()


def test_without_an_sae_probes_are_shown_and_latents_are_not(looked):
    none = {name: getattr(looked, name).iloc[:0] for name in ("saes", "latents", "scores", "contexts")}
    capacities = looked.capacities[looked.capacities["lens"] == "probe"]
    manifest = dataclasses.replace(looked.manifest, settings={"sae": "bundled"})
    found = pages(dataclasses.replace(looked, capacities=capacities, manifest=manifest, **none))
    assert "none comes with the package for this model" in words_of(section(found, "The instrument"))
    assert any(isinstance(b, Picture) for b in section(found, "How much can be read about each culture"))
    assert "there was no SAE" in words_of(section(found, "What the activity of latents goes with"))
    assert not [b for b in found if isinstance(b, Marked)]


def test_where_no_language_is_read_no_map_is_drawn_and_nothing_is_called_good_news(looked):
    everywhere = synthetic_evidence(1, languages=("en",), unreadable=("en",), with_pairs=False)
    row = {"suite": "culture", "language": "en", "item": "food.japan", "context": "practice", "lens": "probe"}
    found = pages(tables_from(everywhere, capacities=[row | {"target": "japan", "bits": 1.0}]))
    said = words_of(section(found, "How much can be read about each culture"))
    assert "no language of the suite was shown to be read" in said
    below = feature_sample.finding(
        "underrepresentation", Scope(suite="culture", culture="japan"), -3.0, Verdict.NOT_INTERPRETABLE
    )
    barred = words_of(section(pages(looked, [below]), "Cultures that are below"))
    assert "Nothing can be said" in barred
    assert "No culture was found" not in barred


# --- the SAE --------------------------------------------------------------------------------------


def test_each_language_that_the_sae_reads_badly_is_flagged_in_words(blocks):
    of = section(blocks, "The instrument")
    rows = rows_of(of)
    assert len(rows) == 7
    # tokens, explained variance, L0, loss recovered, loss added: 3.5 - 3.0 nats
    assert rows["English"][1:] == ("reads it", "1000", "0.80", "32", "0.90", "0.50")
    assert rows["Swahili"][1] == "badly read: below 0.75"
    assert rows["Swahili"][5] == "0.60"
    assert rows["Yoruba"][1] == "not measured: do not rely on latents"
    assert rows["Yoruba"][5] == "–"
    assert "stands badly for Swahili and Yoruba" in words_of(of)
    assert "5 % of its latents are active on none" in words_of(of)


# --- maps -----------------------------------------------------------------------------------------


def test_cells_show_the_measures_numbers_and_none_where_the_language_is_not_read():
    table = pd.DataFrame(
        [
            ("japan", "", 1.5, 1.0, True),
            ("japan", "en", 2.0, -0.1, True),
            ("japan", "yo", 9.0, 8.0, False),
            ("kenya", "", NAN, NAN, True),
        ],
        columns=["target", "language", "value", "low", "interpretable"],
    )
    columns = {"": "all", "en": "English", "yo": "Yoruba"}
    names = {"japan": "Japan", "kenya": "Kenya"}
    cells = map_cells(table, names=names, order=("japan", "kenya"), columns=columns).set_index(["row", "column"])
    assert list(cells["value"].fillna(-99)) == [1.5, 2.0, -99, -99, -99, -99]
    assert list(cells["word"]) == ["", "", "n.i.", "–", "–", "–"]
    assert list(cells["sure"]) == [True, False, False, False, False, False]
    drawn = svg_texts(
        feature_charts.cell_maps({"Probe, bits": cells.reset_index()}, edges=(0, 0.5, 1, 1.5, 2), width=480)
    )
    assert {"1.50", "2.00", "–", "not interpretable", "– no number", "Probe, bits"} <= set(drawn)
    assert "9.00" not in drawn


def test_maps_are_of_every_lens_in_bits_and_the_pathway_stands_apart(looked, blocks):
    of = section(blocks, "How much can be read about each culture")
    bits, apart = [b for b in of if isinstance(b, Picture)]
    assert "pathway" not in bits.alt
    assert "Does not show bits" in apart.alt
    view = prepare(looked)
    for lens, picture in (("knowledge", bits), ("probe", bits), ("latents", bits), ("pathway", apart)):
        pooled = capacity_map(view, "culture", lens).query("language == ''").set_index("culture")["value"]
        low, high = (f"{v:.2f}".replace("-", "−") for v in (pooled.min(), pooled.max()))
        assert f"{lens} from {low} ({pooled.idxmin().capitalize()}) to {high} ({pooled.idxmax().capitalize()})" in (
            picture.alt
        )
    drawn = svg_texts(apart.draw(480))
    assert "Pathway: swapping the name, control spreads" in drawn
    assert drawn.count("Yoruba") == 1
    assert "not interpretable" in drawn


def test_classes_of_a_map_reach_its_largest_number_in_five_equal_steps():
    # 1.56 / 5 = 0.312; the next round step is 0.5, and 5 x 0.5 = 2.5 >= 1.56
    assert feature_charts.edges_for([1.56, -3.0, NAN]) == (0.0, 0.5, 1.0, 1.5, 2.0)
    assert feature_charts.edges_for([0.2]) == (0.0, 0.05, 0.1, 0.15, 0.2)  # 0.04 -> 0.05
    assert feature_charts.edges_for([-1.0]) == (0.0, 0.2, 0.4, 0.6, 0.8)


def test_grounds_get_darker_step_by_step_in_grey_too():
    def light(colour):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    for grounds in (feature_charts.GROUNDS, ("#FFFFFF", *styles.GROUNDS[1:])):
        shades = [light(colour) for colour in grounds]
        assert all(one - other > 12 for one, other in itertools.pairwise(shades))
    assert light(styles.GROUNDS[-1]) - light(INK) > 100


# --- diversity, balance ---------------------------------------------------------------------------


def test_profiles_stop_at_order_two_and_steering_has_a_chart_of_its_own(looked, blocks):
    (profile,) = [b for b in section(blocks, "Over how many cultures") if isinstance(b, Picture)]
    assert "of 14" in profile.alt
    found = feature_tables.features_of(looked)
    (one,) = [of for of in found.suites if of.profiles]
    row = one.profiles["probe"].query("q == 1").iloc[0]
    assert f"probe {row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f}) of 14" in profile.alt
    assert "Pathway (other unit)" in svg_texts(profile.draw(480))
    values, dilemmas = [b for b in section(blocks, "How evenly") if isinstance(b, Picture)]
    assert "bits" in svg_texts(values.draw(480))
    assert "random spreads" in svg_texts(dilemmas.draw(480))
    assert "(care)" in dilemmas.alt


# --- latents --------------------------------------------------------------------------------------


def test_kinds_stand_beside_what_chance_would_bring(blocks):
    of = section(blocks, "What the activity of latents goes with")
    rows = rows_of(of)
    # 142 latents, every third from the first on goes with content: 48; by chance 0.05 x 142 = 7.1
    assert sum(feature_sample.SETS.values()) == 142
    assert rows["content"] == ("content", "48", "41 %", "10 %", "48", "2.4")
    # (0.61 + 0.52 + 46 x 0.4 + 94 x 0.1) / 142 = 28.93 / 142
    assert rows["all"] == ("all", "142", "20 %", "10 %", "48", "7.1")
    assert rows["mixed"] == ("mixed", "0", "–", "–", "0", "0.0")
    assert "142 latents, 48 go with content, 7.1 would by chance" in words_of(of)


def test_where_no_latents_activity_was_split_it_is_said_and_no_zeros_are_drawn(looked):
    unsplit = looked.latents.assign(kind="", share_content=NAN, p_content=NAN)
    told = section(pages(dataclasses.replace(looked, latents=unsplit)), "What the activity of latents goes with")
    assert words_of(told).startswith("No latent's activity could be split")
    assert not any(isinstance(block, Picture | Table) for block in told)


def test_shared_latents_are_counted_by_their_set_of_languages(blocks):
    (picture,) = [b for b in section(blocks, "Which languages share latents") if isinstance(b, Picture)]
    # in one language only: 12 + 11 + 9 + 8 + 7 + 5 + 1; the two rarest of 14 sets hold 2 + 1
    assert "of 142 latents 24 in all 7 languages, 53 in one only, 4 in none often enough" in picture.alt
    assert "Hatched: not interpretable (Yoruba)" in picture.alt
    assert picture.alt.endswith("Not drawn: 2 rarer sets with 3 latents.")
    drawn = svg_texts(picture.draw(480))
    assert [t for t in drawn if t.isdigit()] == ["31", "24", "17", "12", "11", "9", "8", "8", "7", "5", "4", "3"]


# --- texts ----------------------------------------------------------------------------------------


def test_a_words_ground_is_one_of_three_equal_steps_above_a_threshold():
    # of 4: 0.59 is below 15 %; 0.15 + 0.85 / 3 = 0.433 (1.73), 0.15 + 2 x 0.85 / 3 = 0.717 (2.87)
    assert [shade(v, largest=4.0) for v in (0.0, 0.59, 0.61, 1.7, 1.8, 2.8, 2.9, 4.0)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert shade(1.0, largest=0.0) == 0


def test_what_the_tokenizer_puts_before_a_text_is_not_shown_but_a_first_word_is():
    assert runs_of([("<bos>", None), ("A", 1.0)], largest=1.0, can_draw=text.can_draw) == (("A", 3),)
    assert runs_of([("One", None), (" two", 1.0)], largest=1.0, can_draw=text.can_draw) == (("One", 0), (" two", 3))


def test_a_letter_that_two_tokens_share_is_drawn_once_with_the_stronger_ones_ground():
    tokens = [("cafe", 0.0), ("\u0301", 1.0), (" noir", 0.0)]
    assert runs_of(tokens, largest=1.0, can_draw=text.can_draw) == (("cafe\u0301", 3), (" noir", 0))


@pytest.mark.parametrize("words", ["ខ្មែរ", "\U0001f600", "half a letter \ufffd"])
def test_what_the_faces_cannot_draw_is_no_run(words):
    assert runs_of([("A ", 0.0), (words, 1.0)], largest=1.0, can_draw=text.can_draw) == ()


def test_of_a_long_text_the_stretch_around_the_strongest_word_is_shown():
    tokens = [(" word", 0.0)] * 200 + [(" here", 1.0)] + [(" word", 0.0)] * 200
    shown = runs_of(tokens, largest=1.0, can_draw=text.can_draw)
    assert (" here", 3) in shown
    assert shown[0][0] == "… "
    assert shown[-1][0] == " …"
    assert sum(len(word) for word, _ in shown) <= feature_tables.LONGEST_TEXT + 4


def test_texts_are_marked_escaped_or_pointed_to(blocks):
    japan, kenya = [b for b in blocks if isinstance(b, Marked)]
    assert "chosen for Japan" in japan.title
    assert "share of variance by content 61 % (permuted labels 10 %)" in japan.title
    lines = dict(japan.lines)
    # strongest 4.0: 0.6 is the threshold, 1.5 / 4 = 0.375 in the first step
    assert lines["1. English · 4.0"] == (("A", 0), (" festival", 1), (" is", 0), (" <b>Hanami</b>", 3), (" & more", 1))
    # 2.6 / 4 = 0.65 in the second step
    assert lines["2. Hindi · 3.0"] == (("एक", 0), (" त्योहार", 0), (" हनामी", 2), (" है", 0))
    languages = dict(zip((name for name, _ in japan.lines), japan.languages, strict=True))
    assert languages["2. Hindi · 3.0"] == "hi"
    assert languages["1. English · 4.0"] == "en"
    assert "4." not in " ".join(name.split(" ")[0] for name, _ in japan.lines)  # three texts of a latent
    assert "chosen for Kenya and Ethiopia" in kenya.title
    assert "licence" in kenya.lines[0][1][0][0]


def test_texts_of_a_closed_suite_are_not_printed_even_where_the_table_has_them(looked):
    closed = tuple(dataclasses.replace(suite, redistributable=False) for suite in looked.manifest.suites)
    manifest = dataclasses.replace(looked.manifest, suites=closed)
    found = pages(dataclasses.replace(looked, manifest=manifest))
    assert "Hanami" not in words_of(found)
    assert [b for b in found if isinstance(b, Marked)]


# --- findings -------------------------------------------------------------------------------------


def test_activation_names_what_has_evidence_and_what_is_active_anywhere(blocks):
    (picture,) = [b for b in section(blocks, "Are a culture's latents") if isinstance(b, Picture)]
    assert "of 3 cultures over the readable languages: with evidence Japan; as active anywhere" in picture.alt
    assert "guessing) Brazil." in picture.alt
    drawn = svg_texts(picture.draw(480))
    # seven readable columns with the pooled one; Brazil lacks Hindi
    assert [drawn.count(number) for number in ("0.93", "0.73", "0.53", "–")] == [7, 7, 6, 1]


def test_underrepresentation_needs_two_lenses_and_a_language_that_is_read(blocks):
    of = section(blocks, "Cultures that are below")
    rows = rows_of(of)
    assert list(rows) == ["Kenya"]
    assert rows["Kenya"][1:] == ("all readable", "−1.6 (−1.7 to −1.5)", "0.004", "knowledge −2.4, probe −1.6")
    said = words_of(of)
    assert "4 cells (cultures together and by language) were asked about: 1 evidence, 2 insufficient" in said
    assert "Below in one lens only, which is not called underrepresentation: Iran (all readable)" in said


def test_no_cell_below_is_said_and_is_no_proof(looked):
    other = [f for f in feature_sample.findings() if f.verdict is not Verdict.EVIDENCE]
    of = section(pages(looked, other), "Cultures that are below")
    assert "No culture was found below the others in two lenses." in words_of(of)
    assert "no proof" in words_of(of)
    assert not [b for b in of if isinstance(b, Table)]


def test_conflict_stands_beside_chance_and_has_no_number_where_the_language_is_not_read(blocks):
    rows = rows_of(section(blocks, "Dilemmas on which both"))
    assert list(rows) == ["all readable", "English", "Yoruba"]
    assert rows["all readable"][1:3] == ("27 % (17 % to 37 %)", "5 %")
    assert rows["Yoruba"][1:3] == ("n.i.", "–")


# --- on paper -------------------------------------------------------------------------------------


def test_the_pages_are_set_with_their_words_escaped_and_no_character_lost(blocks):
    document = Document(title="T", subtitle="s", running="r", front=(), blocks=blocks)
    data = pdf.render(document)
    read = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)
    told = re.sub(r"\s+", " ", read)
    assert "<b>Hanami</b>" in told
    assert "& more" in told
    for block in blocks:
        if isinstance(block, Heading):
            assert block.text in told
        if isinstance(block, Picture):
            assert block.alt[:60] in told
