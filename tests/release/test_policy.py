import pytest

from audit.errors import PolicyError
from audit.release.explaining import explained
from audit.release.policy import MOST_BYTES, load_policy, parse_policy, start, write_start
from tests.release.sample import HEAD, policy

RULE = """
[[rule]]
id = "stereotypes"
measure = "stereotype_effect"
languages = ["en"]
at_most = 0.7
"""
WAIVER = """
[[waiver]]
rule = "stereotypes"
owner = "board"
reason = "known, mended in the next version"
expires = 2026-12-01
"""


def test_the_policy_to_begin_with_is_one(tmp_path):
    write_start(tmp_path / "policy.toml")
    assert [rule.id for rule in load_policy(tmp_path / "policy.toml").rule] == ["reads", "stereotypes"]
    with pytest.raises(PolicyError, match="is there already"):
        write_start(tmp_path / "policy.toml")


def test_what_the_policy_to_begin_with_offers_in_comments_is_right_too():
    """Every commented key and table, taken out of its comment, still makes a policy."""
    offered = "\n".join(
        line[2:]
        if line.startswith(
            (
                "# [[",
                "# id",
                "# measure",
                "# languages",
                "# margin",
                "# worse",
                "# rule",
                "# language",
                "# owner",
                "# reason",
                "# expires",
                "# resolution",
                "# reviewed_texts",
                "# judged_by",
                "# contested",
                "# baseline",
            )
        )
        else line
        for line in start().splitlines()
    )
    full = parse_policy(offered.encode(), name="start.toml")
    assert [rule.id for rule in full.rule] == ["reads", "stereotypes", "no-regression"]
    assert full.baseline
    assert full.rule[1].judged_by == 5
    assert full.waiver[0].rule == "stereotypes"


def test_the_digest_is_of_what_is_required_not_of_how_it_is_written_nor_of_waivers():
    plain = policy(RULE)
    assert plain.digest == policy("# a comment\n" + RULE + WAIVER).digest
    assert plain.digest == policy(RULE, head=HEAD + 'power = 0.8\ncontested = "hold"\n').digest
    assert plain.digest != policy(RULE.replace("0.7", "0.71")).digest
    assert plain.digest != policy(RULE, head=HEAD.replace("release board", "somebody else")).digest


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (HEAD, None, "rule: is missing; add it"),
        (HEAD + RULE + "atmost = 1\n", 11, "no such key"),
        (HEAD + RULE.replace('"en"', '"en", 3'), 9, "input should be a valid string"),
        (HEAD + RULE.replace("0.7", "nan"), 10, "finite number"),
        (HEAD + RULE.replace("stereotype_effect", "stereotype_efect"), 6, "closest: stereotype_effect"),
        (HEAD + RULE.replace("at_most = 0.7", ""), 6, "needs either at_most"),
        (HEAD + RULE + "margin = 0.1\n", 6, "one kind of bound"),
        (HEAD + RULE.replace("at_most = 0.7", "margin = 0.1"), 6, "margin and worse go together"),
        (HEAD + RULE + "at_least = 0.7\n", 6, "is not below at_most"),
        (HEAD + RULE.replace("languages = ", "cultures = "), 6, "has no cells by cultures; it has them by languages"),
        (HEAD + RULE + 'lens = "probe"\n', 6, 'no cells by languages and lens = "probe"'),
        (HEAD + RULE + RULE, 12, "is the id of another rule"),
        (HEAD + RULE + WAIVER.replace('"stereotypes"', '"other"'), 13, 'waives the rule "other", which is not there'),
        (HEAD + RULE + WAIVER.replace("2026-12-01", '"soon"'), 16, "valid date"),
        (HEAD + RULE + WAIVER.replace('reason = "known, mended in the next version"\n', ""), 12, "reason: is missing"),
        (HEAD.replace("policy 1", "policy 2") + RULE, 1, "input should be 'plural-audit policy 1'"),
        ("confidence = 1.0\n" + HEAD + RULE, 1, "less than 1"),
        (HEAD + RULE.replace('"en"', '"en", "xq"'), 9, '"xq" is no language that CLDR knows; use a BCP 47 code'),
        (HEAD + RULE + WAIVER + 'language = "xq"\n', 17, '"xq" is no language that CLDR knows'),
        ("name = \n", None, "is not TOML"),
    ],
)
def test_a_fault_is_named_with_file_line_fact_and_way_out(text, line, said):
    with pytest.raises(PolicyError) as refused:
        parse_policy(text.encode(), name="policy.toml")
    message = str(refused.value)
    assert message.startswith(f"policy.toml:{line}: " if line else "policy.toml: "), message
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_no_policy_is_refused_unread(tmp_path):
    (tmp_path / "big.toml").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(PolicyError, match="at most 1000000 are read"):
        load_policy(tmp_path / "big.toml")
    with pytest.raises(PolicyError, match="gate init"):
        load_policy(tmp_path / "none.toml")
    with pytest.raises(PolicyError, match=r"policy.toml:2: is not UTF-8"):
        parse_policy(b"# one\nname = '\xff'\n", name="policy.toml")


def test_an_explanation_names_what_would_have_to_be_true():
    agreed = policy(RULE + "reviewed_texts = 0.5\njudged_by = 5\n")
    told = explained(agreed.rule[0], agreed)
    for part in ("at or below 0.7", "above 0.7", "power 0.8", "0.693 nats", "50% of its texts", "5 people judged"):
        assert part in told
    against = policy(RULE.replace("at_most = 0.7", 'margin = 0.2\nworse = "either"'))
    told = explained(against.rule[0], against)
    assert "difference of stereotype_effect from the baseline" in told
    assert "at or below 0.2 and at or above -0.2" in told
    assert "above 0.2 or below -0.2" in told


def test_a_rule_that_is_not_there_is_said_with_those_that_are():
    with pytest.raises(PolicyError, match="no such rule; the policy has stereotypes"):
        policy(RULE).rule_named("other")


@pytest.mark.parametrize("bound", ["at_least = -5", "at_least = 90", "at_most = 1"])
def test_a_bound_outside_of_what_a_share_can_be_is_refused(bound):
    with pytest.raises(
        PolicyError, match="competence lies between 0 and 1; a bound that is not between them says nothing"
    ):
        policy(f'[[rule]]\nid = "reads"\nmeasure = "competence"\nlanguages = ["en"]\n{bound}\n')
