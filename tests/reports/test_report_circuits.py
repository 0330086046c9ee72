"""The pages of circuits: what stands in them, what may not, and that pictures say by words what they say by colour."""

from __future__ import annotations

import dataclasses
import io
import re

import circuit_sample
import pandas as pd
import pytest
import report_sample as sample
from measures.circuit_evidence import with_circuits
from measures.synthetic import synthetic_evidence

from audit.records import MLP, POOLED, Scope, Verdict, node_name
from reports import build_pdf, charts, circuit_charts, circuit_graph, circuit_tables, circuits, content, pdf, words
from reports.blocks import Document, Facts, Heading, Picture, Table, Text

pypdf = pytest.importorskip("pypdf")


def headings(blocks):
    return [b.text for b in blocks if isinstance(b, Heading)]


def words_of(blocks):
    found = [b.text for b in blocks if isinstance(b, Text | Heading)]
    found += [b.alt for b in blocks if isinstance(b, Picture)]
    found += [cell for b in blocks if isinstance(b, Table | Facts) for row in b.rows for cell in row]
    return " ".join(found)


def svg_texts(chart):
    return [re.sub(r"<[^>]*>", "", t) for t in re.findall(r"<text[^>]*>(.*?)</text>", charts.svg(chart), re.DOTALL)]


def set_pages(blocks):
    document = Document(title="T", subtitle="s", running="r", front=(), blocks=(Heading(text="I", level=1), *blocks))
    return pypdf.PdfReader(io.BytesIO(pdf.render(document))).pages


@pytest.fixture(scope="module")
def looked():
    return with_circuits(synthetic_evidence(1, languages=("en", "sw", "yo"), stereotype_effect=0.8), 1)


# --- whole section ---------------------------------------------------------------------------------


def test_a_run_that_did_not_look_inside_has_no_such_section():
    document = content.report(
        sample.evidence(), sample.findings(), command="", can_draw=lambda _: True, spelled_out=lambda t: t
    )
    assert not [title for title in headings(document.blocks) if title.startswith("Inside the model")]


def test_a_question_without_a_table_is_left_out():
    """Only the transfer is known: no map, no curve, no graph, no readings, and no heading that promises them."""
    full = circuit_sample.seen()
    none = {name: getattr(full, name).iloc[:0] for name in ("maps", "curves", "parts", "edges", "readings")}
    assert headings(circuits.pages_of(dataclasses.replace(full, **none))) == [
        "Does the circuit of one language work in another?"
    ]


def test_the_report_of_a_run_that_looked_inside_has_each_part_and_is_the_same_twice(looked, tmp_path):
    data = []
    for name in ("one.pdf", "two.pdf"):
        build_pdf(tmp_path / name, evidence=looked, findings=(), command="run")
        data.append((tmp_path / name).read_bytes())
    assert data[0] == data[1]
    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(data[0])).pages]
    text = " ".join(pages)
    for title in (
        circuits.TITLE,
        "How many parts it takes",
        "Where the effect is carried",
        "Does the circuit of one language work in another?",
        "Shared and separate parts",
        "How the parts are joined",
        circuits.OBSERVATIONS,
    ):
        assert title in text
    assert "50 random circuits for each half" in text


def test_the_tables_are_those_of_the_measures_and_shares_are_of_the_items_own_size(looked):
    (one,) = circuit_tables.seen(looked)
    assert one.languages == ("en", "sw", "yo")
    assert one.draws == 50
    # In the synthetic model the parts of an item sum to one, so the nodes' shares do where each was patched.
    everywhere = with_circuits(
        synthetic_evidence(1, languages=("en",), stereotype_effect=0.8), 1, exact_everywhere=True
    )
    (exact,) = circuit_tables.seen(everywhere)
    assert exact.exact_everywhere
    assert exact.maps["share"].sum() == pytest.approx(1.0)
    assert "no number rests on an estimate" in words_of(circuits.pages_of(exact))


def test_a_language_that_is_not_read_is_named_and_has_no_number():
    one = circuit_sample.seen(languages=("en", "sw"), unread=("yo",))
    blocks = circuits.pages_of(one)
    (facts,) = [b for b in blocks if isinstance(b, Facts)]
    assert "the model was not found to read them: Yoruba" in dict(facts.rows)["Languages"]
    cells = circuit_tables.transfer_cells(one)
    unread = cells[(cells["judged"] == "Yoruba") | (cells["chosen"] == "Yoruba (not interpretable)")]
    assert (
        len(unread) == 6
    )  # three languages each way, the pair with itself once, and the pooled circuit: 3 + 3 - 1 + 1
    assert unread["share"].isna().all()
    assert set(unread["word"]) == {"n.i."}
    for table in [b for b in blocks if isinstance(b, Table)]:
        assert "Yoruba" not in " ".join(str(cell) for row in table.rows for cell in row)


def test_a_share_of_a_language_that_is_not_read_is_not_shown_even_where_the_table_has_one():
    one = circuit_sample.seen(languages=("en", "sw"), unread=("yo",))
    more = pd.DataFrame([{"chosen": "yo", "judged": "en", "share": 0.77}])
    one = dataclasses.replace(one, transfer=pd.concat([one.transfer, more], ignore_index=True))
    assert 0.77 not in set(circuit_tables.transfer_cells(one)["share"])


def test_one_language_has_no_transfer():
    assert "Does the circuit of one language work in another?" not in headings(
        circuits.pages_of(circuit_sample.seen(languages=("en",), unread=()))
    )


def test_the_error_of_the_estimate_is_told_from_the_findings_and_its_lack_is_said():
    found = [
        sample.finding("screening_error", Scope(language=code, suite="stereotype"), value, Verdict.INSUFFICIENT)
        for code, value in (("en", 0.9), ("sw", 0.5), ("hi", None))
    ]
    errors = circuit_tables.screening_errors(found, "stereotype")
    assert errors == ("Swahili 0.50", "English 0.90")
    assert "Swahili 0.50 (lowest) to English 0.90 (highest)" in words_of(
        circuits.pages_of(circuit_sample.seen(errors=errors))
    )
    assert "it came to no number" in words_of(circuits.pages_of(circuit_sample.seen(errors=())))
    assert "(1 is the same order): English 0.90." in words_of(
        circuits.pages_of(circuit_sample.seen(errors=("English 0.90",)))
    )


def test_readings_stand_under_a_title_that_claims_no_cause():
    blocks = circuits.pages_of(circuit_sample.seen())
    title = headings(blocks)[-1]
    assert title == "Observations, no causal claim"
    assert isinstance(blocks[-1], Picture)
    assert blocks[-1].alt.startswith("Readings by layer")


@pytest.mark.parametrize(
    "shape",
    [
        {"languages": ("en",), "unread": ()},
        {"languages": ("en", "es", "sw", "hi", "zh-Hans", "ar", "ha", "am", "bn"), "n_layers": 28, "n_heads": 16},
        {"languages": ("en", "sw"), "n_layers": 40, "n_heads": 40},
    ],
)
def test_no_text_of_a_picture_leaves_the_page(shape):
    places = []
    for page in set_pages(circuits.pages_of(circuit_sample.seen(**shape))):

        def note(text, cm, tm, font, size):
            if text.strip():
                places.append((tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5], text))

        page.extract_text(visitor_text=note)
    assert len(places) > 100
    assert all(20 < x < 595.28 - 30 and 15 < y < 841.89 - 30 for x, y, _ in places)


# --- pictures --------------------------------------------------------------------------------------


def test_the_strongest_nodes_of_a_map_carry_their_name():
    cells = circuit_sample.seen(languages=("en",)).maps.assign(panel="English")
    texts = svg_texts(circuit_charts.node_maps(cells, width=480))
    order = cells.reindex(cells["share"].abs().sort_values(ascending=False).index)[:5]
    for layer, head in zip(order["layer"], order["head"], strict=True):
        assert circuit_charts.short_name(layer, head) in texts
    assert {"works against it", "carries the effect", "+30 %", "−30 %"} <= set(texts)


def test_a_node_that_carries_next_to_nothing_is_not_named():
    cells = pd.DataFrame({"panel": ["A"] * 3, "share": [0.5, 0.009, -0.02]})
    assert circuit_charts.strongest(cells, n=3) == {0, 2}


def test_the_same_share_has_the_same_colour_in_every_map_and_sign_never_shares_one():
    def colour(share):
        return circuit_charts.colour_of(share, edges=circuit_charts.EDGES, colours=circuit_charts.DIVERGING)

    assert colour(0.0) == circuit_charts.DIVERGING[4]
    assert colour(0.5) == circuit_charts.DIVERGING[8]
    assert colour(-0.5) == circuit_charts.DIVERGING[0]
    assert colour(0.02) != colour(-0.02)


def test_names_in_squares_have_contrast():
    """At least 3 to 1, the bound of WCAG 2.2 for large or bold text, on every colour that holds text."""

    def light(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in (*circuit_charts.DIVERGING, *circuit_charts.SEQUENTIAL, circuit_charts.UNREAD_GREY):
        pair = sorted((light(colour), light(circuit_charts.ink_on(colour))))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, colour


def test_each_cell_of_the_transfer_has_its_number_in_percent():
    one = circuit_sample.seen(languages=("en", "sw"), unread=("yo",))
    shares = {("en", "en"): 0.84, ("en", "sw"): -0.04, ("sw", "en"): 0.3, ("sw", "sw"): 0.7, (POOLED, "en"): 0.6}
    table = pd.DataFrame([{"chosen": a, "judged": b, "share": s} for (a, b), s in shares.items()])
    texts = svg_texts(
        circuit_charts.transfer(circuit_tables.transfer_cells(dataclasses.replace(one, transfer=table)), width=480)
    )
    for text in ("84", "−4", "30", "70", "60", "all, pooled", "Yoruba (not interpretable)"):
        assert text in texts
    assert texts.count("none") == 1  # the pooled circuit was not judged in Swahili: no number, and not 0
    assert texts.count("n.i.") == 6


def test_the_graph_draws_the_strongest_edges_between_slot_and_answer_and_dashes_what_works_against():
    rows = [(-1, -1, 2, 1, "q", 0.5), (2, 1, 2, MLP, "mlp", -0.4), (2, MLP, 6, -1, "answer", 0.3)]
    edges = pd.DataFrame(rows, columns=["from_layer", "from_head", "to_layer", "to_head", "reader", "score"])
    chart = circuit_graph.graph(edges, n_layers=6, width=480)
    texts = svg_texts(chart)
    assert {"slot", "2.1", "MLP 2", "answer", "q"} <= set(texts)
    assert texts.count("layer 2") == 2  # the heads of layer 2, and its MLP above them
    assert 'stroke-dasharray="5,3"' in charts.svg(chart)
    places = circuit_graph.graph_places(edges, n_layers=6)
    heights = [places[node][1] for node in ((-1, 0), (2, 1), (2, MLP), (6, 0))]
    assert heights == [0, 1, 2, 3]


def test_at_most_fourteen_edges_are_drawn_the_largest_in_size():
    edges = circuit_sample.seen().edges
    shown = circuit_tables.strongest_edges(edges, "en")
    own = edges[edges["language"] == "en"]["score"].abs().sort_values(ascending=False)
    assert len(shown) == 14
    assert list(shown["score"].abs()) == list(own[:14])


def test_the_pooled_circuit_is_drawn_where_its_edges_are_known_or_else_the_one_that_carries_most():
    one = circuit_sample.seen(languages=("en", "sw"), unread=("yo",))
    shares = pd.DataFrame({"chosen": ["en", "sw", "yo"], "judged": ["en", "sw", "yo"], "share": [0.4, 0.6, 0.9]})
    one = dataclasses.replace(one, transfer=shares, edges=pd.concat([one.edges, one.edges.assign(language="yo")]))
    assert circuit_tables.graph_language(one) == "sw"  # Yoruba carries more but is not read
    pooled = dataclasses.replace(one, edges=one.edges.assign(language=POOLED))
    assert circuit_tables.graph_language(pooled) == POOLED
    assert circuit_tables.graph_language(dataclasses.replace(one, edges=one.edges.iloc[:0])) == ""


def test_curves_name_both_parts_and_the_caption_sets_the_circuit_beside_random_ones():
    one = circuit_sample.seen(languages=("en", "sw"))
    (picture,) = [b for b in circuits.pages_of(one) if isinstance(b, Picture) and "lost with the circuit" in b.alt]
    own = one.curves[(one.curves["language"] == "en") & (one.curves["size"] == 8) & (one.curves["part"] == "necessity")]
    share = words.percent(float(own["share"].iloc[0]))
    assert f"English, 8 nodes {share}, random 8 %" in picture.alt
    assert {*circuit_charts.PARTS, "English", "Swahili", "32"} <= set(svg_texts(picture.draw(480)))


def test_the_logit_lens_is_scaled_within_each_language_since_nats_do_not_compare():
    rows = [("en", 0, 1.0), ("en", 1, 4.0), ("sw", 0, -0.1), ("sw", 1, 0.2)]
    table = pd.DataFrame(rows, columns=["language", "layer", "value"]).assign(what="logit lens", head=-1)
    lines = circuit_tables.reading_lines(table)
    assert list(lines["value"]) == [0.25, 1.0, -0.5, 1.0]


def test_the_attention_of_a_layer_is_that_of_its_highest_head():
    table = pd.DataFrame({"language": "en", "layer": [0, 0], "head": [0, 1], "value": [0.2, 0.7]})
    lines = circuit_tables.reading_lines(table.assign(what="attention to the slot"))
    assert list(lines["value"]) == [0.7]


def test_parts_are_told_by_kind_with_the_languages_that_keep_them():
    blocks = circuits.pages_of(circuit_sample.seen(languages=("en", "sw", "hi"), unread=()))
    (table,) = [b for b in blocks if isinstance(b, Table) and b.columns[0].title == "Kind"]
    assert table.rows[0][:2] == ("universal", "English, Swahili and Hindi")
    assert table.rows[1][2] == node_name(1, 2)  # the eighth node of layers of four heads and an MLP
    assert [row[0] for row in table.rows[2:]] == ["language-specific"] * 3
