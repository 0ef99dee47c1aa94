"""How LiteLLM is asked for each kind of call. Needs LiteLLM, as `logger` and `generate` do."""

import asyncio
import functools
import importlib
import json
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils.safe_json_dumps import safe_dumps
from litellm.litellm_core_utils.thread_pool_executor import executor

from compat.baseline import baseline_event
from compat.logger import PATIENCE_S, KeptLogger, settled
from compat.scenarios import Made, Scenario

_HOURS = 24 * 3600.0
_QUIET_LOOKS = 5
_ENDLESS = frozenset({"LoggingWorker._worker_loop", "CustomBatchLogger.periodic_flush"})
"""Tasks of LiteLLM that never end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of a callback: the log's line, what LiteLLM's PostHog logger makes of the same kwargs, and LiteLLM's id
    of the call."""

    line: str
    call: Mapping[str, Any]
    call_id: str


class Desk:
    """What a scenario needs at hand: the logger under test, the entries so far, the address of the stand-in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.entries: list[Entry] = []
        self.scenario = ""
        self._lock = threading.Lock()
        litellm.suppress_debug_info = True
        self.posthog = KeptLogger()
        self.posthog.flush_interval = _HOURS  # it sends when the suite says so, not in between
        litellm.callbacks = [self.posthog, Dump(self)]

    def note(self, phase: str, kwargs: Mapping[str, Any]) -> None:
        """Keep one call of a callback.

        LiteLLM goes on writing into some kwargs while it logs them: line and event are taken again until both are of
        one moment.
        """
        line, made = settled(lambda: self._read(kwargs))
        call = {"scenario": self.scenario, "phase": phase, **made}
        with self._lock:
            self.entries.append(Entry(line, call, kwargs["litellm_call_id"]))

    def calls(self) -> list[Any]:
        """Return what is known of each entry's call, with the events that the logger built while it was logged."""
        return [{**entry.call, "built": self.posthog.built_for(entry.call_id)} for entry in self.entries]

    def _read(self, kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return kwargs as the log's line, and what LiteLLM's logger makes of them.

        Raises:
            RuntimeError: they changed in between.
        """
        line = json.dumps(kwargs, default=str)
        made = self._made_of(kwargs)
        if json.dumps(kwargs, default=str) != line:
            raise RuntimeError("the kwargs changed while they were read")
        return line, made

    def _made_of(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what LiteLLM's logger makes of kwargs, and where it sends it."""
        base, random = self._base(kwargs)
        api_key, host = self.posthog._get_credentials_for_request(kwargs)
        transcribed = json.loads(safe_dumps(baseline_event(kwargs)))
        return {"base": base, "random": random, "transcribed": transcribed, "api_key": api_key, "host": host}

    def _base(self, kwargs: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Return the logger's event, and which of its fields are chance."""
        first, second = (self.posthog.event_of(kwargs) for _ in "ab")
        random = [name for name, value in first["properties"].items() if second["properties"].get(name) != value]
        return first, random + ["distinct_id"] * (first["distinct_id"] != second["distinct_id"])

    async def settle(self) -> None:
        """Wait until LiteLLM has nothing more to log: its tasks are done, its threads idle."""
        deadline = time.monotonic() + PATIENCE_S
        quiet = 0
        while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
            quiet = 0 if _is_busy() else quiet + 1
            await asyncio.sleep(0.002)

    async def reach(self, number: int) -> None:
        """Wait until so many entries are there, but not for ever: LiteLLM logs from threads and tasks of its own.

        Lines that do not come are missed when the scenario is counted.
        """
        deadline = time.monotonic() + PATIENCE_S
        while len(self.entries) < number and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def steer(self, way: str) -> None:
        """Tell the stand-in how to answer."""
        await asyncio.to_thread(_post, f"{self.url}/steer/{way}")

    async def held(self) -> None:
        """Wait until the stand-in holds a request."""
        deadline = time.monotonic() + PATIENCE_S
        while not (await asyncio.to_thread(_get, self.url))["held"] and time.monotonic() < deadline:
            await asyncio.sleep(0.01)


class Dump(CustomLogger):  # type: ignore[misc]  # LiteLLM is not installed where the types are checked
    """The callback that an operator would write: every event, successes and failures, sync and async."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a success of a sync call."""
        self._desk.note("sync success", kwargs)

    def log_failure_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a failure of a sync call."""
        self._desk.note("sync failure", kwargs)

    async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a success of an async call."""
        self._desk.note("async success", kwargs)

    async def async_log_failure_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a failure of an async call."""
        self._desk.note("async failure", kwargs)


def _is_busy() -> bool:
    """Whether a task of LiteLLM runs in the loop, or a log call in one of its threads."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    running = [task for task in tasks if getattr(task.get_coro(), "__qualname__", "") not in _ENDLESS]
    in_threads = executor._pending_slots._value < executor._max_pending_tasks
    failing = any("failure_handler" in thread.name for thread in threading.enumerate())  # of a stream that broke
    return bool(running) or in_threads or failing


async def make(desk: Desk, scenario: Scenario) -> str | None:
    """Make a scenario's calls and wait for their log lines; return the class of what they raised, if they did."""
    desk.scenario = scenario.name
    before = len(desk.entries)
    kept = {name: getattr(litellm, name) for name in scenario.settings}
    for name, value in scenario.settings.items():
        setattr(litellm, name, value)
    raised = None
    try:
        await ASKING[scenario.ask](desk, resolve(scenario.arguments, desk.url))
    except Exception as error:  # noqa: BLE001 - whatever a call raises is what the scenario is about
        raised = f"{type(error).__name__}: {str(error)[:200]}"
    await desk.reach(before + scenario.logged)
    await desk.settle()
    for name, value in kept.items():
        setattr(litellm, name, value)
    await desk.posthog.flush_queue()
    return raised


async def drain(desk: Desk) -> None:
    """Wait for what LiteLLM still has to log and to send."""
    await asyncio.to_thread(executor.shutdown, wait=True)
    await asyncio.sleep(0.2)
    await desk.posthog.flush_queue()


def resolve(value: Any, url: str) -> Any:
    """Return arguments with LiteLLM's objects made and `{posthog}` replaced by the address of the stand-in."""
    if isinstance(value, Made):
        module, _, name = value.kind.rpartition(".")
        made = getattr(importlib.import_module(module or "litellm"), name)
        return made(**resolve(value.fields, url))
    if isinstance(value, Mapping):
        return {key: resolve(member, url) for key, member in value.items()}
    if isinstance(value, list):
        return [resolve(member, url) for member in value]
    return value.replace("{posthog}", url) if isinstance(value, str) else value


# ------------------------------------------------------------------------------------------------------- ways of asking


Ask = Callable[[Desk, dict[str, Any]], Awaitable[Any]]


def _sync(name: str) -> Ask:
    async def ask(_: Desk, arguments: dict[str, Any]) -> None:
        await asyncio.to_thread(_read, getattr(litellm, name), arguments)

    return ask


def _async(name: str) -> Ask:
    async def ask(_: Desk, arguments: dict[str, Any]) -> None:
        await _aread(functools.reduce(getattr, name.split("."), litellm), arguments)

    return ask


def _read(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    answer = call(**arguments)
    if arguments.get("stream"):
        for _ in answer:
            pass


async def _aread(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    answer = await call(**arguments)
    if arguments.get("stream"):
        async for _ in answer:
            pass


def _routed(name: str, *, sync: bool = False) -> Ask:
    async def ask(_: Desk, arguments: dict[str, Any]) -> None:
        router = litellm.Router(**arguments.pop("router"))
        call = getattr(router, name)
        await (asyncio.to_thread(_read, call, arguments) if sync else _aread(call, arguments))

    return ask


def _cached(name: str, *, sync: bool = False) -> Ask:
    async def ask(desk: Desk, arguments: dict[str, Any]) -> None:
        litellm.cache = litellm.Cache(type="local")
        try:
            call, before = getattr(litellm, name), len(desk.entries)
            for number in (1, 2):
                await (asyncio.to_thread(_read, call, arguments) if sync else _aread(call, arguments))
                await desk.reach(before + number)
        finally:
            litellm.cache = None

    return ask


async def _in_flight(desk: Desk, arguments: dict[str, Any]) -> None:
    """Log a second call while the request with the first is under way, then a third."""
    before = len(desk.entries)
    await litellm.acompletion(**arguments)
    await desk.reach(before + 1)
    await desk.steer("hold")
    sending = asyncio.create_task(desk.posthog.flush_queue())
    await desk.held()
    await litellm.acompletion(**arguments)
    await desk.reach(before + 2)
    await desk.steer("accept")
    await sending
    await litellm.acompletion(**arguments)


async def _refused(desk: Desk, arguments: dict[str, Any]) -> None:
    """Log two calls, and send them while PostHog answers 500."""
    before = len(desk.entries)
    for _ in range(2):
        await litellm.acompletion(**arguments)
    await desk.reach(before + 2)
    await desk.steer("refuse")
    await desk.posthog.flush_queue()
    await desk.steer("accept")


def _post(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST"), timeout=PATIENCE_S).close()  # noqa: S310


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - the stand-in
        return json.loads(answer.read())


def _all(make_ask: Callable[[str], Ask], names: Iterable[str]) -> dict[str, Ask]:
    return {name: make_ask(name) for name in names}


ASKING: dict[str, Ask] = {
    **_all(_sync, ("completion", "embedding", "text_completion", "responses", "image_generation", "batch_completion")),
    **_all(_async, ("acompletion", "aembedding", "atext_completion", "aresponses", "aimage_generation")),
    **_all(_async, ("aspeech", "atranscription", "amoderation", "arerank")),
    "stream": _sync("completion"),
    "astream": _async("acompletion"),
    "atext_stream": _async("atext_completion"),
    "responses_stream": _sync("responses"),
    "aresponses_stream": _async("aresponses"),
    "messages": _async("anthropic.messages.acreate"),
    "router_completion": _routed("completion", sync=True),
    "router_acompletion": _routed("acompletion"),
    "router_astream": _routed("acompletion"),
    "cached_completion": _cached("completion", sync=True),
    "cached_acompletion": _cached("acompletion"),
    "cached_astream": _cached("acompletion"),
    "cached_aembedding": _cached("aembedding"),
    "in_flight": _in_flight,
    "refused": _refused,
}
