"""How long anything may be behind, and what is not there at all."""

from billing.invariants import LagFact, everything_settles
from connectors.audit.lags import Group, Standing, allowed, missing_changelogs, missing_topics
from connectors.kafka.scan import Place
from tests.invariants.telling import told

BEHIND, LOST = LagFact("group", 3, "records", 100), LagFact("slot", 1, "slot", 1, allowed_s=0)


def test_the_time_that_was_given_holds_whether_it_is_longer_or_shorter() -> None:
    found = {
        given: [subject for _, subject, _ in told(everything_settles(allowed([BEHIND, LOST], given)))]
        for given in (None, 3600, 30, 100)
    }
    assert found == {None: ["group", "slot"], 3600: ["slot"], 30: ["group", "slot"], 100: ["slot"]}


def test_a_topic_that_is_not_there_is_found_by_name_whatever_time_was_given() -> None:
    lags = missing_topics({"some.usage": [0, 1]}, ["some.usage", "some.journal"])
    assert told(everything_settles(allowed(lags, 3600))) == [
        (
            "",
            "topic some.journal, which Kafka does not have: restore it, or if it was never made, run beaas setup",
            "1 topics behind, the oldest for 1 s: does its process run?",
        )
    ]


def test_a_changelog_that_is_not_there_is_found_once_its_group_has_committed_something() -> None:
    group = Group("some.rating", "some.journal", "some.rating-accounts-changelog")
    begun, new = Standing(group, {}, {Place("some.journal", 0): 4}), Standing(group, {}, {})
    assert missing_changelogs({group.changelog: [0]}, [begun]) == []
    assert missing_changelogs({}, [new]) == []
    [lag] = missing_changelogs({}, [begun])
    assert lag.name == (
        "changelog some.rating-accounts-changelog of group some.rating, which Kafka does not have: restore it before"
        " its worker starts again"
    )
    assert (lag.behind, lag.allowed_s) == (1, 0)
