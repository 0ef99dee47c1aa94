import gzip
import random
import statistics

import orjson
import pytest

from benchmarks.generate import CORPORA, LONGEST_BYTES, MEDIAN_BYTES, P99_BYTES, Corpus, lines
from benchmarks.prose import Book
from posthog_llm_cli.model import Event
from tests.converting import convert_bytes


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(corpus: Corpus) -> None:
    log = list(lines(corpus, 20, seed=7))
    assert list(lines(corpus, 20, seed=7)) == log
    assert list(lines(corpus, 20, seed=8)) != log


def test_a_longer_log_begins_with_the_shorter_one() -> None:
    corpus = CORPORA["litellm"]
    assert list(lines(corpus, 30, seed=7))[:20] == list(lines(corpus, 20, seed=7))


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_every_line_is_one_call_that_becomes_an_event_of_its_own(corpus: Corpus) -> None:
    found = [convert_bytes(line) for line in lines(corpus, 200, seed=7)]
    assert all(len(conversions) == 1 for conversions in found)
    events = [conversions[0].result for conversions in found]
    assert all(isinstance(event, Event) for event in events)
    assert len({event.uuid for event in events if isinstance(event, Event)}) == len(events)


@pytest.mark.parametrize("name", ["litellm", "openai"])
def test_lines_have_the_sizes_that_are_promised(name: str) -> None:
    sizes = [len(line) for line in lines(CORPORA[name], 2_000, seed=7)]
    assert 0.75 * MEDIAN_BYTES < statistics.median(sizes) < 1.25 * MEDIAN_BYTES
    assert 0.6 * P99_BYTES < statistics.quantiles(sizes, n=100)[98] < 1.6 * P99_BYTES
    assert max(sizes) < 1.1 * LONGEST_BYTES


def test_litellm_s_price_table_is_what_the_priced_corpus_has_on_top() -> None:
    for line in lines(CORPORA["litellm-priced"], 3, seed=7):
        assert len(orjson.dumps(orjson.loads(line)["model_map_information"])) > 5_000


def test_the_text_compresses_about_as_language_does() -> None:
    log = b"".join(lines(CORPORA["openai"], 200, seed=7))
    assert 2 < len(log) / len(gzip.compress(log, 6)) < 4


def test_a_book_is_the_same_for_the_same_seed_and_its_passages_have_the_length_asked_for() -> None:
    found = [Book(seed, 20_000).passage(random.Random(1), 5_000) for seed in (7, 7, 8)]
    assert found[0] == found[1] != found[2]
    assert {len(passage) for passage in found} == {5_000}
    assert len(Book(7, 2_000).passage(random.Random(1), 5_000)) == 5_000
