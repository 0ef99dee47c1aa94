"""`explain()`: one line of a source → an explanation of each of its records."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import assert_never

import orjson

from posthog_llm_cli import formats
from posthog_llm_cli.convert import convert
from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.explaining.paths import Path, at, leaves, removed, replaced, shown
from posthog_llm_cli.explaining.probing import Facts, Findings, Prober, marked
from posthog_llm_cli.explaining.values import Explanation, LeftOut, Row
from posthog_llm_cli.formats import dead_letter
from posthog_llm_cli.model import (
    BuildOptions,
    Converted,
    ConvertOptions,
    Event,
    Filtered,
    Json,
    LLMCall,
    LogLine,
    Media,
    Skipped,
    SourceRef,
)
from posthog_llm_cli.timeparse import rfc3339
from posthog_llm_cli.values import replace

_FALLBACK_BUDGET = 400

_TRACE_STANDS_IN = "the trace id, for no user is named"

_ALWAYS = {
    "$geoip_disable": "always: or PostHog would take this machine's place for the caller's",
    "$ignore_sent_at": "always: or PostHog would move the time by the clock's skew",
    "$lib": "always: who sends it",
    "$lib_version": "always: who sends it",
    "$process_person_profile": "because no user is named: calls without one must not make a person each",
    "$ai_cost_passthrough": "because the log has a total and not both parts: PostHog keeps the total as it is",
    "$ai_cache_reporting_exclusive": "how this format counts cached tokens",
    "$ai_provider": "what the format stands for",
    "event": "what the format stands for",
}


def explain(line: LogLine, options: ConvertOptions) -> Iterator[Explanation]:
    """Yield what becomes of each record of a line, and why; at least one."""
    for converted in convert(line, options):
        match converted.result:
            case Event() as event:
                yield _event(converted, event, _record_of(line, converted), _to_try(converted, options))
            case RecordError() as error:
                yield _no_event(converted, "rejected", error.code, error.message, path=error.path, hint=error.hint)
            case Skipped(code=code, message=message):
                yield _no_event(converted, "skipped", code, message)
            case Filtered():
                yield _no_event(converted, "filtered", None, "outside --since and --until, or of another shard")
            case _ as never:
                assert_never(never)


def _to_try(converted: Converted, options: ConvertOptions) -> ConvertOptions:
    """Return the options for trying changes of a record: all that it may become, and a letter's record by itself."""
    name = None if converted.from_letter and options.format == dead_letter.NAME else options.format
    return replace(options, format=name, since=None, until=None, shard=None)


def _no_event(
    converted: Converted,
    outcome: str,
    code: str | None,
    message: str,
    *,
    path: str | None = None,
    hint: str | None = None,
) -> Explanation:
    return Explanation(
        converted.ref,
        converted.format,
        outcome,
        code=code,
        message=message,
        path=path,
        hint=hint,
        warnings=converted.warnings,
    )


def _record_of(line: LogLine, converted: Converted) -> Json:
    return decode(line.raw if converted.raw is None else converted.raw).value


def _event(converted: Converted, event: Event, record: Json, options: ConvertOptions) -> Explanation:
    ref = converted.ref
    facts = facts_of(event)
    prober = Prober(record, facts, lambda other: _facts_after(other, ref, options))
    found = prober.find()
    told = {*found.followed, *found.needed, *_ALWAYS}
    prober.find_needs([name for name in facts if name not in told], found)
    explained = _Explained(record, facts, found, options, ref)
    rows = tuple(explained.rows())
    return Explanation(
        ref,
        converted.format,
        "event",
        event=event.name,
        identity=_identity(record, options),
        uuid=event.uuid,
        host=event.destination.host,
        masked_key=event.destination.masked_key,
        destination_rule=explained.destination_rule(),
        size=event.size,
        warnings=converted.warnings,
        rows=rows,
        left_out=tuple(explained.left_out()),
        empty_fields=found.empty,
        is_whole=found.is_whole,
    )


def facts_of(event: Event) -> dict[str, Json]:
    """Return an event as names and values: its envelope, its properties, and where it goes (`host`, `api key`)."""
    return {
        "event": event.name,
        "uuid": event.uuid,
        "timestamp": rfc3339(event.timestamp),
        "distinct_id": event.distinct_id,
        "host": event.destination.host,
        "api key": event.destination.api_key,
        **orjson.loads(event.properties),
        **orjson.loads(b"{" + event.legacy_properties + b"}"),
    }


def _facts_after(record: Json, ref: SourceRef, options: ConvertOptions) -> Facts | None:
    """Return the facts of another record, None where it becomes no event, or several."""
    converted = convert(LogLine(ref, orjson.dumps(record)), options)
    result = converted[0].result if len(converted) == 1 else None
    return facts_of(result) if isinstance(result, Event) else None


def _identity(record: Json, options: ConvertOptions) -> str | None:
    parsed = formats.parse(record, options.parse, name=options.format)[1]
    return parsed.identity if isinstance(parsed, LLMCall) else None


class _Explained:
    """The findings about one record, put into rows."""

    def __init__(self, record: Json, facts: Facts, found: Findings, options: ConvertOptions, ref: SourceRef) -> None:
        self._record = record
        self._facts = facts
        self._found = found
        self._options = options
        self._ref = ref
        self._second: dict[Path, list[str]] = {}
        """Unused paths that would have told a fact, had another path not come first."""

    def rows(self) -> Iterator[Row]:
        """Yield the envelope, then the properties, in the order of the event."""
        for name, value in self._facts.items():
            if name in {"host", "api key"}:
                continue
            paths, needs = self._paths(name, value)
            rule = self._rule(name, value, paths, needs)
            yield Row(name, value, tuple(map(shown, paths)), tuple(map(shown, needs)), rule)

    def left_out(self) -> Iterator[LeftOut]:
        """Yield the parts of the record that nothing comes from, and why as far as that can be found out."""
        for path, why in self._reasons():
            yield LeftOut(shown(path), leaves(at(self._record, path)), why)

    def destination_rule(self) -> str:
        """Return why the event goes where it goes."""
        paths = {
            path for name in ("host", "api key") for path in (*self._of(self._found.followed, name), *self._deciding())
        }
        named = ", ".join(sorted(map(shown, paths)))
        return f"named in the record: {named}" if named else "the configured one: the record names none"

    def _of(self, found: dict[str, list[Path]], name: str) -> list[Path]:
        return found.get(name, [])

    def _deciding(self) -> list[Path]:
        """Return the paths that make the record refused if changed, and that speak of PostHog: its host, its key."""
        return [path for path in self._found.deciding if "posthog" in str(path[-1])]

    def _paths(self, name: str, value: Json) -> tuple[list[Path], list[Path]]:
        """Return what a fact follows, and what it needs besides.

        What vanishes however a field is changed (a part of a sum that must add up) comes from the one that equals it.
        """
        paths, needed = self._found.followed.get(name, []), self._found.needed.get(name, [])
        if not paths:
            same = (path for path in (*needed, *self._found.deciding) if _is_same(at(self._record, path), value))
            paths = list(islice(same, 1))
        return paths, [path for path in needed if path not in paths]

    def _rule(self, name: str, value: Json, paths: Sequence[Path], needs: Sequence[Path]) -> str:
        if not paths:
            return self._rule_without_path(name, value, needs)
        if name == "distinct_id" and "$process_person_profile" in self._facts and value == self._facts["$ai_trace_id"]:
            return _TRACE_STANDS_IN
        rule = "as logged" if any(_is_same(at(self._record, path), value) for path in paths) else _made_of(paths)
        second = self._fallback(name, paths)
        return rule if second is None else f"{rule}; {second}"

    def _rule_without_path(self, name: str, value: Json, needs: Sequence[Path]) -> str:
        build = self._options.build
        if name in build.properties:
            return "by --property"
        if name == "plh_import_id":
            return "by --import-id"
        if name == "distinct_id":
            return "by --distinct-id" if value == build.distinct_id else _TRACE_STANDS_IN
        if name == "timestamp":
            return "by --default-time"
        if value == self._facts["uuid"] and name != "uuid":
            return "the event's own uuid, for the record names none"
        if needs:
            return f"because of {', '.join(map(shown, needs))}"
        return _ALWAYS.get(name, "by the rule of this format")

    def _fallback(self, name: str, paths: Sequence[Path]) -> str | None:
        """Return what would tell a fact if the path that does were not there, in words; None where nothing would."""
        if len(paths) != 1 or isinstance(self._facts[name], dict | list):
            return None
        record = removed(self._record, paths[0])
        facts = _facts_after(record, self._ref, self._options)
        if facts is None or name not in facts:
            return None
        if facts[name] == facts["uuid"]:
            return None if name == "uuid" else "without it the event's own uuid"
        others = [path for path in self._found.unused if path != paths[0]]
        prober = Prober(record, facts, self._facts_after, budget=_FALLBACK_BUDGET)
        second = prober.first_that(others, name)
        if second is not None:
            self._second.setdefault(second, []).append(f"{shown(paths[0])} comes first for {name}")
        return None if second is None else f"comes before {shown(second)}"

    def _facts_after(self, record: Json) -> Facts | None:
        return _facts_after(record, self._ref, self._options)

    def _reasons(self) -> Iterator[tuple[Path, str]]:
        lenient = self._lenient()
        prober: Prober | None = None
        if lenient is not None:
            facts = _facts_after(self._record, self._ref, lenient[0])
            prober = Prober(self._record, facts or {}, lambda other: _facts_after(other, self._ref, lenient[0]))
        for path in self._found.unused:
            if path in self._second:
                yield path, "; ".join(self._second[path])
            elif (
                prober is not None
                and lenient is not None
                and prober.effect(replaced(self._record, path, marked(at(self._record, path)))).is_any
            ):
                yield path, lenient[1]
            else:
                yield path, "no property of an event comes from it"

    def _lenient(self) -> tuple[ConvertOptions, str] | None:
        """Return the options under which nothing is held back, and what holds it back now."""
        build: BuildOptions = self._options.build
        if build.privacy_mode:
            return replace(
                self._options, build=replace(build, privacy_mode=False, media=Media.KEEP)
            ), "by --privacy-mode"
        if build.media is Media.REDACT:
            return replace(self._options, build=replace(build, media=Media.KEEP)), "by --media redact"
        return None


def _is_same(logged: Json, value: Json) -> bool:
    return logged == value and isinstance(logged, bool) is isinstance(value, bool)


def _made_of(paths: Sequence[Path]) -> str:
    return "made of it" if len(paths) == 1 else f"made of these {len(paths)} together"
