"""Prompts and answers as people read them."""

from __future__ import annotations

from audit.reviews.library import Answer, ItemView, Prompt
from streamlit_app import prompts


def answer(role: str, *spellings: str, share: float | None = None) -> Answer:
    return Answer(role=role, spellings=spellings, share=share)


def item(**fields: object) -> ItemView:
    given = {
        "id": "stereotype/nurse-1",
        "language": "ar",
        "control": False,
        "origin": "native",
        "author": "person",
        "reviewed": 2,
        "source": "",
        "quarantine": "",
        "withheld": False,
        "prompts": (),
        "gloss": (),
    }
    return ItemView(**{**given, **fields})


def prompt(text: str, *answers: Answer, slot: tuple[int, int] | None = None, context: str = "base") -> Prompt:
    return Prompt(context=context, text=text, slot=slot, answers=answers)


def test_the_words_that_differ_are_marked_and_all_words_escaped():
    made = prompts.marked(prompt("A <b> nurse said", slot=(6, 11)), language="en")
    assert made == '<bdi dir="auto" lang="en">A &lt;b&gt; <mark class="desk-slot">nurse</mark> said</bdi>'


def test_of_two_answers_the_likelier_comes_first_and_both_make_a_hundred():
    she, he = answer("a", " she", share=0.286), answer("b", " he", " him", share=0.714)
    made = prompts.answer_words((she, he), language="en", shares=True)
    assert made.striptags() == (
        "Of 100 times that it goes on with one of the two, 71 with «he / him» and 29 with «she»."
    )


def test_a_rare_answer_is_counted_of_more_times_rather_than_called_impossible():
    often, rarely = answer("a", "past", share=0.9968), answer("b", "future", share=0.0032)
    words = prompts.answer_words((often, rarely), language="en", shares=True).striptags()
    assert words == "Of 1,000 times that it goes on with one of the two, 997 with «past» and 3 with «future»."


def test_an_answer_rarer_than_one_in_twenty_thousand_has_no_number():
    always, never = answer("a", "past", share=0.99999), answer("b", "future", share=0.00001)
    words = prompts.answer_words((always, never), language="en", shares=True).striptags()
    assert words == "It nearly always goes on with «past», and hardly ever with «future»."


def test_of_many_answers_the_three_likeliest_are_named_and_the_rest_counted():
    shares = (0.5, 0.2, 0.15, 0.1, 0.05)
    many = [answer(str(n), f" food {n}", share=share) for n, share in enumerate(shares)]
    words = " ".join(prompts.answer_words(many, language="sw", shares=True).striptags().split())
    assert "one of 5 answers" in words
    assert words.endswith("50 with «food 0»20 with «food 1»15 with «food 2»and 2 other answers")


def test_an_answer_that_competes_with_nothing_has_no_share():
    words = prompts.answer_words((answer("shared", " was late", share=1.0),), language="en", shares=True).striptags()
    assert words == "Answers: «was late»"


def test_a_closed_suite_shows_its_id_and_no_words():
    made = prompts.item_words(item(withheld=True, prompts=(prompt("secret"),)))
    assert "secret" not in made
    assert "stereotype/nurse-1" in made


def test_an_item_says_where_its_words_come_from():
    words = " ".join(prompts.item_words(item(control=True, source="<i>A book")).striptags().split())
    assert "written in this language · by a person · read by 2 reviewers Control" in words
    assert 'Source: <bdi dir="auto">&lt;i&gt;A book</bdi>' in prompts.item_words(item(source="<i>A book"))


def test_no_more_than_four_prompts_of_an_item_are_shown_and_the_rest_is_counted():
    made = prompts.item_words(item(prompts=tuple(prompt(f"wording {n}") for n in range(6))))
    assert [f"wording {n}" in made for n in range(6)] == [True] * 4 + [False] * 2
    assert "2 more wordings of this item" in made


def test_the_english_item_stands_beside_one_in_another_language_without_shares():
    gloss = (prompt("The nurse said", answer("a", " she", share=0.5), answer("b", " he", share=0.5)),)
    made = prompts.item_words(item(prompts=(prompt("قالت"),), gloss=gloss))
    assert '<bdi dir="auto" lang="ar">قالت</bdi>' in made
    assert '<bdi dir="auto" lang="en">The nurse said</bdi>' in made
    assert "Of 100 times" not in made
