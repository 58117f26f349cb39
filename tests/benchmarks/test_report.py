import xml.etree.ElementTree as ET

import pytest

from benchmarks import plot, report
from benchmarks.measured import Latency, Measured, Recovery, Run
from benchmarks.report import Sheet
from benchmarks.targets import TARGETS, Verdict, judged

PLANTED: dict[str, list[Run]] = {
    # the medians are 200,000 and 100,000 a CPU second
    "raw-minimal": [Measured(100_000, 1.0, 0.5), Measured(100_000, 0.5, 0.25), Measured(100_000, 1.0, 0.5)],
    "rating-sum": [Measured(50_000, 1.0, 0.5, 300_000_000, 10_000_000)],
    "kafka-streams-100ms": [Measured(90_000, 1.0, 1.0)],
    "kafka-streams-1s": [Measured(120_000, 1.0, 1.0)],
    "latency-half": [Latency(1_234.5, 3, 0.1, 0.5, 0.6)],
    "recovery-dynamic": [Recovery(7.04, 9.0, 3), Recovery(8.0, 12.0, 3), Recovery(6.0, 8.0, 2)],
}


def test_a_row_stands_beside_its_bound_as_a_ratio_of_medians() -> None:
    throughput = report.sheets(PLANTED)[0]
    assert throughput.title == "Throughput"
    assert throughput.lines == (
        ("raw loop, minimal usage", "100,000", "100,000", "200,000", "200,000 to 400,000", "", "", ""),
        ("rating, one sum meter", "50,000", "50,000", "100,000", "100,000 to 100,000", "0.50", "0.50", "300"),
        ("Kafka Streams, commit 100 ms", "90,000", "90,000", "90,000", "90,000 to 90,000", "0.90", "0.45", ""),
        ("Kafka Streams, commit 1 s", "120,000", "120,000", "120,000", "120,000 to 120,000", "1.20", "0.60", ""),
    )


def test_latency_recovery_and_memory_have_tables_of_their_own() -> None:
    assert report.sheets(PLANTED)[1:] == [
        Sheet(
            "Latency",
            ("", "events/s", "samples", "p50, ms", "p99, ms", "p99, min to max", "longest, ms"),
            (("produced → flushed, half load", "1,234", "3", "100.0", "500.0", "500.0 to 500.0", "600.0"),),
        ),
        Sheet(
            "Recovery",
            ("", "partitions lost", "first event, s", "min to max", "caught up, s"),
            (("kill -9, survivors take over", "3", "7.0", "6.0 to 8.0", "9.0"),),
        ),
        Sheet(
            "Memory, rating",
            ("", "measured over", "MB a million", "RSS at the end, MB"),
            (("open ids, RocksDB", "50,000", "200", "300"),),
        ),
    ]


def test_a_target_is_met_missed_or_not_measured() -> None:
    verdicts = {verdict.target: verdict for verdict in judged(PLANTED)}
    assert len(verdicts) == len(TARGETS)
    assert [verdict for verdict in verdicts.values() if verdict.met is not None] == [
        Verdict("rating one sum meter ≥ 0.4 of the raw loop, CPU", "0.50 times", met=True),
        # judged by the better of its two rows
        Verdict("… ≥ Kafka Streams, which does not dedupe, CPU", "0.83 times", met=False),
        # 500 ms are not less than 500 ms
        Verdict("produced → flushed at half load, p99 < 500 ms", "500 ms", met=False),
        Verdict("first event after kill -9, survivors, < 10 s", "7.04 s", met=True),
    ]


def test_a_comparison_that_lacks_one_of_its_peers_is_not_judged() -> None:
    without = {row: runs for row, runs in PLANTED.items() if row != "kafka-streams-1s"}
    against = next(verdict for verdict in judged(without) if "Kafka Streams" in verdict.target)
    assert (against.figure, against.met) == ("not measured", None)


def test_the_page_says_what_is_missing_and_why() -> None:
    page = report.markdown(
        PLANTED, {"quix": "it can't be\n  installed. The end of /tmp/log: pip said no"}, "python -m benchmarks --write"
    )
    assert "## Not measured\n\n- Quix Streams, commit 1 s: it can't be installed.\n" in page
    assert "`python -m benchmarks --write` wrote it" in page
    assert "| rating one sum meter ≥ 0.4 of the raw loop, CPU | 0.50 times | yes |" in page
    assert "| … ≥ Kafka Streams, which does not dedupe, CPU | 0.83 times | NO |" in page


def test_a_step_that_broke_is_named_on_the_page_too() -> None:
    assert "- peers-quix: RuntimeError: stalled\n" in report.markdown(
        PLANTED, {"peers-quix": "RuntimeError: stalled"}, ""
    )


def test_the_plots_bars_are_as_long_as_the_figures_are_large() -> None:
    drawn = ET.fromstring(plot.svg(PLANTED))  # noqa: S314 - our own text
    bars = [bar for bar in drawn.iter("{http://www.w3.org/2000/svg}rect") if bar.get("x")]
    assert [float(bar.get("width", "")) for bar in bars] == [420.0, 210.0, 189.0, 252.0]


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([0.3], Latency(10, 1, 0.3, 0.3, 0.3)),
        ([float(number) for number in range(200, 0, -1)], Latency(10, 200, 100.0, 198.0, 200.0)),
    ],
)
def test_percentiles_are_of_the_nearest_rank(waits: list[float], expected: Latency) -> None:
    assert Latency.of(waits, 10) == expected


def test_no_sample_is_no_latency() -> None:
    with pytest.raises(ValueError, match="no record arrived"):
        Latency.of([], 10)
