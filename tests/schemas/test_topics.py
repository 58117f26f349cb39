import pytest

from schemas import topics
from schemas.records import RECORDS
from schemas.topics import TOPICS, subject, subjects


def test_a_topic_of_one_type_is_named_by_the_topic_and_one_of_several_also_by_the_record() -> None:
    assert subject(topics.USAGE, "beaas.usage.UsageRecorded", "beaas.") == "beaas.usage-value"
    assert subject(topics.JOURNAL, "beaas.usage.UsageRecorded", "test.") == "test.journal-beaas.usage.UsageRecorded"


def test_a_record_that_a_topic_does_not_carry_has_no_subject_there() -> None:
    with pytest.raises(KeyError, match="carries"):
        subject(topics.USAGE, "beaas.usage.UsageVoided", "beaas.")


def test_every_record_stands_on_a_topic_and_every_subject_has_a_record() -> None:
    assert {record for topic in TOPICS for record in topic.records} == set(RECORDS)
    assert set(subjects("beaas.").values()) == set(RECORDS)
    assert len(subjects("beaas.")) == sum(len(topic.records) for topic in TOPICS)


def test_the_journal_is_kept_for_ever_and_totals_are_compacted() -> None:
    assert topics.JOURNAL.config() == {
        "cleanup.policy": "delete",
        "max.message.bytes": str(4 << 20),
        "retention.ms": "-1",
        "message.timestamp.type": "CreateTime",
        "compression.type": "producer",
    }
    assert topics.USAGE_TOTALS.config()["cleanup.policy"] == "compact"


def test_a_dead_letter_has_room_for_the_largest_usage_record() -> None:
    assert topics.DEAD_LETTERS.max_message_bytes >= 2 * topics.USAGE.max_message_bytes
