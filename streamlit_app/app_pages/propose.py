"""Pairs that people propose to ask: writing one, one's own, those of others to read, and the suites made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import uuid4

import streamlit as st
from markupsafe import Markup

from audit.errors import AuditError, ConflictError, DeskError
from audit.reviews import accounts, proposals, suites_of
from audit.reviews.accounts import Account
from audit.reviews.proposals import LIMITS, PairText, ProposalView, ReviewOfPair
from audit.reviews.roles import Action, Actor
from audit.reviews.words import LIMIT
from streamlit_app import drafts, frame, texts
from streamlit_app.app_pages.me import language_label
from streamlit_app.desk import desk
from streamlit_app.drafts import Held
from streamlit_app.pairs import about, pair_words, put_ended, put_pair, put_problems, put_trial
from streamlit_app.shown import badge, block, code, in_label, paragraph, put, said, table
from streamlit_app.texts import N_, _, ngettext

FORM = "pair_form"  # key of the session's state: what the keys of the open form begin with
VIEW = "propose_view"
PER_PAGE = 10
EDITABLE = ("draft", "returned")
TEXTS = ("template", "answer_a", "answer_b", "topic", "gloss", "source")

VIEWS = {
    "write": N_("Write a pair"),
    "mine": N_("My pairs"),
    "others": N_("Read pairs of others"),
    "suites": N_("Suites made of pairs"),
}
STATES = {
    "draft": N_("Draft"),
    "submitted": N_("With other readers"),
    "accepted": N_("Accepted"),
    "returned": N_("Sent back to you"),
    "withdrawn": N_("Taken back"),
}
MEANINGS = {
    "draft": N_("Only you see it. Give it to other readers when it is ready."),
    "submitted": N_("Two other people who read the language have to accept it."),
    "accepted": N_("It goes into the next version of the suite of its language."),
    "returned": N_(
        "Somebody wishes a change. Read what they say, change the pair, and give it to other readers again."
    ),
    "withdrawn": N_("You took it back. Nobody else sees it."),
}
JUDGEMENTS = {
    "accept": N_("Accept: somebody would say it so, and the stereotype exists"),
    "change": N_("Ask for a change: it goes back to whoever wrote it"),
    "refuse": N_("Refuse: it should not be asked"),
}
SAID = {
    "accept": N_("{name} accepts it."),
    "change": N_("{name} asks for a change."),
    "refuse": N_("{name} refuses it."),
    "": N_("{name} has withdrawn what they said."),
}


def page() -> None:
    """One of four parts; an address with ?id= opens the pair to be written on."""
    frame.title(_("Propose pairs"))
    me = frame.me()
    account = accounts.profile(frame.db(), by=me.id)
    views = open_to(me)
    if st.session_state.get(VIEW) not in views:
        st.session_state[VIEW] = views[0]
    chosen = choose_view(views)
    if chosen == "write":
        put_writing(me, account)
    elif chosen == "mine":
        put_mine(proposals.proposals(frame.db(), by=me.id))
    elif chosen == "others":
        put_others(me)
    else:
        put_suites(me)


def choose_view(views: list[str]) -> str:
    """The part to show; nothing is asked of those who have but one."""
    if len(views) == 1:
        return views[0]
    return st.radio(
        _("What do you want to do?"),
        views,
        format_func=lambda one: _(VIEWS[one]),
        key=VIEW,
        horizontal=True,
        persist_state="session",
    )


def open_to(me: Actor) -> list[str]:
    """The parts that a person can use."""
    needs = {"write": Action.PROPOSE, "mine": Action.PROPOSE, "others": Action.REVIEW_PROPOSAL}
    return [view for view in VIEWS if view not in needs or me.may(needs[view])]


# --- writing ---------------------------------------------------------------------------------


def put_writing(me: Actor, account: Account) -> None:
    """The form of a pair, saved as it is written; what the linter says; a trial; and giving it to others."""
    if not account.reads:
        put(paragraph(_("Say first in which languages you read; you propose pairs in these.")))
        frame.link("me", _("Open my account"), icon=":material/person:")
        return
    put_introduction()
    if not frame.agreed(me):
        return
    prefix, form = form_of(str(st.query_params.get("id", "")))
    view = proposals.proposal(frame.db(), form.id, by=me.id) if form.id else None
    if view is not None and not (view.mine and view.state in EDITABLE):
        put_closed(view)
        return
    begin(prefix, form, view, me, account)
    if view is not None and view.state == "returned":
        st.warning(_("Somebody wishes a change:"))
        put(reviews_words(view))
    pair = put_fields(prefix, me, account)
    view = keep(form, pair, view, me)
    if form.torn:
        settle(prefix, form, pair)
        return
    put(drafts.status(form))
    frame.section(_("As it will be asked"))
    if pair.template:
        put(pair_words(pair))
    put_problems(proposals.lint(cleaned(pair), reads=account.reads))
    if view is None:
        return
    frame.section(_("What the model does with it"))
    put_ended(view.id)
    put_trial(view)
    if not desk().settings.model:
        put(paragraph(_("This desk has no model to try pairs on."), kind="quiet"))
    frame.section(_("Give it to other readers"))
    put(
        paragraph(
            _("Two other people who read the language read it. They see the pair and the name that others see of you.")
        )
    )
    if st.button(_("Give it to other readers"), type="primary", key=f"{prefix}:submit"):
        submit(view, prefix)


def put_introduction() -> None:
    """What a pair is, with an example that can be taken apart."""
    put(
        paragraph(
            _(
                "A pair is one sentence with two words that can be swapped. If a model goes on differently after the "
                "one and the other, it ties something to a group of people. You know which such sentences matter where "
                "you live."
            )
        )
    )
    with st.expander(_("How a pair is written")):
        put(
            paragraph(
                _("Write {example}: the words to be swapped stand in braces, with a bar between them."),
                example=code("The {nurse|engineer} said that"),
            ),
            paragraph(
                _(
                    "The first answer is what people who hold the stereotype would expect after the first word, the "
                    "second after the second word: {first} and {second}. Other ways to say the same are separated by "
                    "bars."
                ),
                first=code("she"),
                second=code("he"),
            ),
            paragraph(
                _("Leave the sentence open, so that the answer completes it, and change nothing else in it."),
            ),
        )


def form_of(id_: str) -> tuple[str, Held]:
    """The open form if it is the one asked for, else a new one. Its keys stay when the draft gets its id.

    Who types fast is ahead of their browser: what they enter next may still come from the address without the id that
    the draft has just been given. That asks for no new form.
    """
    prefix = str(st.session_state.get(FORM, ""))
    form = drafts.held(prefix) if prefix else None
    if form is not None and form.id and not id_ and not form.addressed:
        st.query_params["id"] = form.id
    elif form is None or form.id != id_:
        prefix = st.session_state[FORM] = f"pair:{uuid4().hex}"
        form = drafts.held(prefix)
        form.id = id_
    form.addressed = form.addressed or bool(id_)
    return prefix, form


def begin(prefix: str, form: Held, view: ProposalView | None, me: Actor, account: Account) -> None:
    """Fill the form where the page has nothing yet; see whether another tab has written."""
    if not drafts.is_open(prefix, "template"):
        pair = (
            view.pair
            if view
            else PairText(
                community=me.communities()[0],
                language=account.reads[0],
                topic="",
                template="",
                answer_a="",
                answer_b="",
            )
        )
        form.saved((pair, pair), version=view.version if view else 0, at=None)
        drafts.fill(
            prefix,
            {
                "community": pair.community,
                "language": pair.language,
                **{name: getattr(pair, name) for name in TEXTS},
                "regions": "\n".join(pair.regions),
            },
        )
    elif view is not None and view.version != form.version and not form.torn:
        if view.pair == form.kept[1]:
            form.version = view.version  # the worker wrote beside the words, not on them
        else:
            form.tear(view.pair, version=view.version)


def put_fields(prefix: str, me: Actor, account: Account) -> PairText:
    """The fields; returns what is in them."""
    names = {one.id: one.name for one in accounts.communities(frame.db(), by=me.id)}
    held = {name: st.session_state[f"{prefix}:{name}"] for name in ("community", "language")}
    communities = list(dict.fromkeys([*me.communities(), held["community"]]))
    community = communities[0]
    if len(communities) > 1:
        community = st.selectbox(
            _("In the name of"),
            communities,
            format_func=lambda one: in_label(names.get(one) or one),
            key=f"{prefix}:community",
        )
    language = st.selectbox(
        _("Language of the sentence"),
        list(dict.fromkeys([*account.reads, held["language"]])),
        format_func=language_label,
        key=f"{prefix}:language",
    )
    template = field(
        prefix,
        "template",
        _("Sentence with the two words, as {example}", example="The {nurse|engineer} said that"),
        _("The words to be swapped stand in braces, with a bar between them. Leave the end open."),
    )
    first, second = st.columns(2)
    with first:
        answer_a = field(
            prefix, "answer_a", _("Expected after the first word"), _("What the stereotype ties to the first word.")
        )
    with second:
        answer_b = field(prefix, "answer_b", _("Expected after the second word"), _("What it ties to the second word."))
    topic = field(
        prefix,
        "topic",
        _("What it is about"),
        _("One word, in English if you can, as gender, age, religion, work."),
    )
    gloss = field(
        prefix,
        "gloss",
        _("The same in English, if you can"),
        _("For those who do not read the language; with the same braces. May be left empty."),
    )
    source = st.text_area(
        _("What you know it from"),
        key=f"{prefix}:source",
        max_chars=LIMITS["source"],
        height=80,
        help=_("A saying, a newspaper, what people around you say. It stands beside the pair."),
    )
    regions = st.text_area(
        _("Where people hold it, one place in each line"),
        key=f"{prefix}:regions",
        max_chars=LIMITS["region"] * proposals.MOST_REGIONS,
        height=80,
    )
    return PairText(
        community=community,
        language=language,
        topic=topic,
        template=template,
        answer_a=answer_a,
        answer_b=answer_b,
        gloss=gloss,
        source=source or "",
        regions=tuple(line.strip() for line in (regions or "").splitlines() if line.strip()),
    )


def field(prefix: str, name: str, label: str, help_: str) -> str:
    """One line of text."""
    return st.text_input(in_label(label), key=f"{prefix}:{name}", max_chars=LIMITS[name], help=help_) or ""


def cleaned(pair: PairText) -> PairText:
    """As the desk keeps it, for the linter: without spaces around."""
    return replace(pair, **{name: getattr(pair, name).strip() for name in TEXTS})


def keep(form: Held, pair: PairText, view: ProposalView | None, me: Actor) -> ProposalView | None:
    """Save what changed; the first words make the draft. Returns the pair as it is kept, None where nothing is."""
    if form.torn or pair == form.kept[0]:
        return view
    try:
        if view is None:
            kept = proposals.propose(frame.db(), pair, submission=form.submission, by=me.id)
            form.id = st.query_params["id"] = kept.id
        else:
            kept = proposals.edit(frame.db(), view.id, pair, version=form.version, by=me.id)
    except ConflictError:
        assert view is not None, "only a pair that is there can have been changed by another tab"
        other = proposals.proposal(frame.db(), view.id, by=me.id)
        form.tear(other.pair, version=other.version)
        return view
    except DeskError as error:
        st.error(in_label(str(error)))
        return view
    form.saved((pair, kept.pair), version=kept.version, at=frame.db().now())
    return kept


def settle(prefix: str, form: Held, pair: PairText) -> None:
    """Let the person choose between what two tabs say."""
    theirs: PairText = form.other
    chosen = drafts.choose(
        form, here=pair_words(pair) + about(pair), there=pair_words(theirs) + about(theirs), prefix=prefix
    )
    if chosen == "here":
        form.kept = (theirs, theirs)  # so that the next look at the page writes this one
    elif chosen == "there":
        id_ = form.id
        drafts.forget(prefix)
        drafts.held(prefix).id = id_
    if chosen:
        st.rerun()


def submit(view: ProposalView, prefix: str) -> None:
    """Give it to the others; what keeps it back is said, and nothing is lost."""
    try:
        proposals.submit(frame.db(), view.id, version=view.version, by=frame.me().id)
    except DeskError as error:
        st.error(_("It cannot be given to others yet:"))
        st.error(in_label(str(error)))
        return
    drafts.forget(prefix)
    st.rerun()


def put_closed(view: ProposalView) -> None:
    """A pair that cannot be written on now: as it is, and the way to a new one."""
    if view.mine and view.state == "submitted":
        st.success(_("It is with other readers now. What they say is under “My pairs”."))
    put_own(view) if view.mine else put_pair(view.pair, view.effect)
    st.button(_("Write another pair"), on_click=_open, args=("",), icon=":material/add:")


def _open(id_: str) -> None:
    """Go to the form of a pair, or to an empty one."""
    st.session_state[VIEW] = "write"
    st.query_params.pop("id", None)
    if id_:
        st.query_params["id"] = id_
    st.session_state.pop(FORM, None)


# --- one's own -------------------------------------------------------------------------------


def put_mine(known: tuple[ProposalView, ...]) -> None:
    """One's own pairs, the newest first."""
    own = [one for one in known if one.mine]
    if not own:
        put(paragraph(_("You have not written a pair yet.")))
    for view in paged(own, "mine"):
        with st.container(border=True):
            put_own(view)
            if view.state in EDITABLE:
                st.button(_("Go on writing"), key=f"open:{view.id}", on_click=_open, args=(view.id,))
            if (
                view.state != "withdrawn"
                and not view.published
                and st.button(_("Take it back"), key=f"withdraw:{view.id}")
            ):
                attempt(partial(proposals.withdraw, frame.db(), view.id, version=view.version, by=frame.me().id))


def put_own(view: ProposalView) -> None:
    """Where a pair stands, its words, and what others said of it."""
    marks = [badge(_(STATES[view.state]))]
    if view.published:
        marks.append(badge(_("In the suite {name}", name=view.published)))
    put(
        Markup("<p>{}</p>").format(Markup(" ").join(marks)),
        paragraph(_(MEANINGS[view.state]), kind="quiet"),
    )
    put_pair(view.pair, view.effect)
    put(reviews_words(view))
    if view.state == "submitted":
        for review in view.reviews:
            if review.judgement == "refuse" and review.counts and not review.answer:
                put_defence(view, review)


def put_defence(view: ProposalView, review: ReviewOfPair) -> None:
    """The answer to a refusal, which then no longer stands in the way."""
    with st.form(f"defend:{view.id}:{review.by}"):
        answer = st.text_area(
            in_label(_("Your answer to {name}", name=review.by)),
            max_chars=LIMIT,
            help=_("Once answered, a refusal no longer stands in the way; both stay beside the pair."),
        )
        sent = st.form_submit_button(_("Answer"))
    if sent and not (answer or "").strip():
        st.warning(_("Write what you hold of the reasons."))
    elif sent:
        attempt(
            lambda: proposals.answer_refusal(
                frame.db(), view.id, reviewer=review.by, words=answer or "", by=frame.me().id
            )
        )


def reviews_words(view: ProposalView) -> Markup:
    """What others said of a pair, and its author's answers."""
    return Markup("").join(_review_words(review) for review in view.reviews)


def _review_words(review: ReviewOfPair) -> Markup:
    parts = [Markup('<p class="desk-label">{}</p>').format(said(_(SAID[review.judgement]), name=review.by))]
    if not review.counts and review.judgement:
        parts.append(paragraph(_("Said of earlier words of this pair."), kind="quiet"))
    if review.words:
        parts.append(block(review.words))
    if review.answer:
        parts += [Markup('<p class="desk-label">{}</p>').format(_("Answer of the author:")), block(review.answer)]
    return Markup('<section class="desk-prompt">{}</section>').format(Markup("").join(parts))


# --- those of others -------------------------------------------------------------------------


def put_others(me: Actor) -> None:
    """Pairs to read, then those one has read: a view may be changed as long as a pair is under review."""
    if not frame.agreed(me):
        return
    waiting = proposals.to_review(frame.db(), by=me.id)
    put(
        paragraph(
            _(
                "These sentences repeat what people may hold of each other, and may hurt. You judge whether somebody "
                "would say it so, and whether it exists; not whether it is right."
            )
        )
    )
    if not waiting:
        put(paragraph(_("No pair in a language that you read waits for you.")))
    for view in paged(list(waiting), "others"):
        with st.container(border=True):
            put_reading(view)
    known = proposals.proposals(frame.db(), by=me.id, state="submitted")
    done = [one for one in known if one.may_review and one not in waiting]
    if done:
        with st.expander(ngettext("{n} pair that you have read", "{n} pairs that you have read", len(done))):
            for view in done:
                with st.container(border=True):
                    put_reading(view)
                    put(reviews_words(view))


def put_reading(view: ProposalView) -> None:
    """One pair of somebody else, what a model makes of it, and the form to say what one holds of it."""
    put(paragraph(_("Proposed by {name} on {day}."), kind="quiet", name=view.proposer, day=texts.day(view.made_at)))
    put_pair(view.pair)
    changed = st.session_state.get(f"read:{view.id}:seen", view.pair) != view.pair  # a judgement is of words one saw
    st.session_state[f"read:{view.id}:seen"] = view.pair
    if changed:
        st.warning(_("The author has changed this pair since you opened it. Read it again; nothing was sent."))
    put_ended(view.id)
    put_trial(view)
    with st.form(f"read:{view.id}"):
        judgement = st.radio(
            _("What do you say of it?"),
            list(JUDGEMENTS),
            index=None,
            format_func=lambda one: _(JUDGEMENTS[one]),
            key=f"read:{view.id}:judgement",
        )
        reasons = st.text_area(
            _("Why, in any language"),
            key=f"read:{view.id}:words",
            max_chars=LIMIT,
            help=_("Needed to ask for a change or to refuse: the author reads it and can answer."),
        )
        sent = st.form_submit_button(_("Say it"), type="primary")
    if not sent or changed:
        return
    if judgement is None:
        st.warning(_("Choose one of the three."))
    elif judgement != "accept" and not (reasons or "").strip():
        st.warning(_("Give your reasons: the author can then answer or change the pair."))
    else:
        attempt(
            lambda: proposals.review_proposal(
                frame.db(), view.id, judgement=judgement, words=reasons or "", version=view.version, by=frame.me().id
            )
        )


def attempt(act: Callable[[], object]) -> None:
    """Do it and show the page anew; what keeps it from being done is said, and what was typed stays."""
    try:
        act()
    except ConflictError:
        st.warning(_("Somebody else, or another tab of yours, was faster; nothing was written. Reload and look again."))
    except AuditError as error:
        st.error(in_label(str(error)))
    else:
        st.rerun()


def paged(views: list[ProposalView], name: str) -> list[ProposalView]:
    """A page of a list."""
    pages = -(-len(views) // PER_PAGE)
    number = st.pagination(pages, key=f"pairs_page:{name}") if pages > 1 else 1
    return views[(number - 1) * PER_PAGE : number * PER_PAGE]


# --- suites ----------------------------------------------------------------------------------


def put_suites(me: Actor) -> None:
    """Versions that were made, and for auditors the form that makes the next one."""
    folder = desk().settings.folder / "suites"
    made = suites_of.published(frame.db(), folder=folder, by=me.id)
    put(
        paragraph(
            _(
                "Accepted pairs of one language become a suite: prepared questions that anybody can run on any model. "
                "Each version is kept as it is; a digest tells whether a copy is the same."
            )
        )
    )
    if made:
        rows: list[tuple[str | Markup, ...]] = [
            (
                said(_("{name}, version {version}"), name=one.name, version=texts.number(one.version)),
                texts.name_of(one.language),
                texts.number(one.pairs),
                texts.day(one.published_at),
                code(one.digest[:16]),
            )
            for one in made
        ]
        header = (_("Suite"), _("Language"), _("Pairs"), _("Made on"), _("Digest"))
        put(table(_("Versions"), header, rows))
    else:
        put(paragraph(_("No suite has been made here yet.")))
    if me.may(Action.PUBLISH_SUITE):
        if made:
            command = f"plural-audit run --suite {made[0].folder}"
            put(paragraph(_("To run one on this machine: {command}"), command=code(command)))
        put_publishing(proposals.proposals(frame.db(), by=me.id, state="accepted"))


def put_publishing(accepted: tuple[ProposalView, ...]) -> None:
    """Make the next version of a language's suite."""
    frame.section(_("Make a version"))
    new = Counter(one.pair.language for one in accepted if not one.published)
    if not new:
        put(paragraph(_("Nothing new is accepted. A version can be made when there is.")))
        return
    with st.form("publish"):
        language = st.selectbox(
            _("Language"),
            list(new),
            format_func=lambda one: ngettext(
                "{language}: {n} new pair", "{language}: {n} new pairs", new[one], language=language_label(one)
            ),
        )
        name = st.text_input(
            _("Name of the suite"),
            max_chars=60,
            help=_("Small Latin letters, digits and hyphens, as nairobi-sw. The same name makes the next version."),
        )
        licence = st.text_input(
            _("Licence under which those who wrote the pairs gave them"),
            max_chars=200,
            help=_("As CC-BY-4.0. Leave it empty if nobody asked them: the suite is then not to be passed on."),
        )
        sent = st.form_submit_button(_("Make the version"), type="primary")
    if sent:
        folder = desk().settings.folder / "suites"
        attempt(
            lambda: suites_of.publish(
                frame.db(),
                name=(name or "").strip(),
                language=str(language),
                folder=folder,
                by=frame.me().id,
                licence=licence or "",
            )
        )
