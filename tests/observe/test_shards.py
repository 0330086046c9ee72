from dataclasses import replace

from audit.observe import measure_noise, plan_shards, score_shard
from audit.records import Ask, Item, Kind, Suite, SuiteRecord

VERSIONS = {"torch": "1", "transformers": "2"}


def item(number: int, *, language: str = "en", word: str = "cat", answers: dict | None = None) -> Item:
    answers = answers or {"a": (" sat",), "b": (" is",)}
    asks = tuple(
        Ask(context=context, prompt=f"the {word} {number} {context}", answers=answers)
        for context in ("base", "counterpart")
    )
    return Item(
        id=f"i{number:03}",
        language=language,
        template=f"i{number:03}",
        topic="t",
        control=False,
        asks=asks,
        origin="native",
        author="machine",
        reviewed=0,
    )


def suite(*items: Item, name: str = "s") -> Suite:
    words = dict.fromkeys(
        ("question", "construct", "harm", "groups", "intended_use", "not_shown", "licence", "authors"), "-"
    )
    record = SuiteRecord(name=name, version="1", kind=Kind.STEREOTYPE, redistributable=True, **words)
    return Suite(record=record, languages=tuple(sorted({one.language for one in items})), items=items)


def test_every_item_is_in_exactly_one_shard_whatever_the_order(llama):
    items = [item(n, language=language) for language in ("sw", "en") for n in range(81)]
    forward = plan_shards([suite(*items)], model=llama.record, versions=VERSIONS)
    backward = plan_shards([suite(*items[::-1])], model=llama.record, versions=VERSIONS)
    assert forward == backward
    assert [(shard.language, len(shard.items)) for shard in forward] == [("en", 41), ("en", 40), ("sw", 41), ("sw", 40)]


def test_the_key_changes_with_what_decides_the_numbers_and_nothing_else(llama):
    (plain,) = plan_shards([suite(item(1))], model=llama.record, versions=VERSIONS)

    def key_of(one: Item = item(1), *, name: str = "s", versions=VERSIONS, **record) -> str:  # noqa: B008
        (shard,) = plan_shards([suite(one, name=name)], model=replace(llama.record, **record), versions=versions)
        return shard.key

    assert key_of(name="renamed") == plain.key
    assert key_of(replace(item(1), topic="other", reviewed=3)) == plain.key
    assert key_of(ref="elsewhere") == plain.key
    assert key_of(item(1, word="dog")) != plain.key
    assert key_of(weights_sha256="0") != plain.key
    assert key_of(tokenizer_sha256="0") != plain.key
    assert key_of(dtype="bfloat16") != plain.key
    assert key_of(config_sha256="0") != plain.key
    assert key_of(versions={**VERSIONS, "torch": "3"}) != plain.key


def test_an_item_with_one_refused_ask_is_excluded_whole(llama):
    good, bad = item(1), item(2, answers={"a": (" sat",), "b": ("",)})
    (shard,) = plan_shards([suite(good, bad)], model=llama.record, versions=VERSIONS)
    result = score_shard(llama, shard)
    assert {row[0] for row in result.observations} == {"i001"}
    assert len(result.observations) == 4  # 2 contexts x 2 answers
    ((name, reason),) = result.exclusions
    assert name == "i002"
    assert reason.startswith("base: ")


def test_a_noise_floor_of_nothing_is_none_not_zero(llama):
    refused = {"a": ("",), "b": ("",)}
    assert measure_noise(llama, [suite(*(item(n, answers=refused) for n in range(4)))]) is None


def test_refused_asks_do_not_count_toward_the_noise_floor(llama):
    refused = {"a": ("",), "b": ("",)}
    some = [item(n, answers=refused if n % 2 else None) for n in range(6)]
    floor = measure_noise(llama, [suite(*some)])
    assert floor.n_items == 6  # three items of two asks


def test_the_noise_floor_is_above_zero_and_far_below_an_effect(audited):
    """float32 rounding of sums near ten: about 1e-6 each, never exactly nothing in three arrangements."""
    floor = measure_noise(audited, [suite(*(item(n) for n in range(20)))])
    assert 0 < floor.value < 1e-3
    assert floor.n_items == 16
