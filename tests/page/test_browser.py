"""The page in a real browser: what a reader clicks, types and sees, and that nothing else happens."""

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, expect

from posthog_llm_cli.report.text import human_count, human_latency, human_usd
from tests.cli.running import lines, run
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs
from tests.page.browser import Opened, browser, opened
from tests.page.making import call, parse, said, write
from tests.page.test_writing import HOSTILE, named


def png() -> str:
    """A picture of one dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    dot = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + dot).decode()


SVG = (
    "data:image/svg+xml;base64,"
    + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='canary=1'/>").decode()
)
FALSE_PNG = "data:image/png;base64," + base64.b64encode(b"<svg onload=alert(1)>" * 20).decode()

AGENT = [
    {
        **call(1, trace_id="agent", span_id="root", span_name="plan", session_id="s1", latency=2, total_cost_usd=0.5, input_tokens=10, output_tokens=5, tools=[{"type": "function", "function": {"name": "look_up"}}], model_parameters={"temperature": 0.5}),
    },
    call(
        2, trace_id="agent", span_id="child", parent_id="root", span_name="ask", latency=31.5, stop_reason="tool_calls",
        input=[
            {"role": "system", "content": "Be brief."},
            *({"role": "user" if at % 2 == 0 else "assistant", "content": f"turn {at}"} for at in range(10)),
            {"role": "user", "content": [{"type": "text", "text": "Which bird?"}, {"type": "image_url", "image_url": {"url": png()}}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, {"type": "image_url", "image_url": {"url": SVG}}, {"type": "image_url", "image_url": {"url": FALSE_PNG}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"bird": "wren"}'}}]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"latin": "Troglodytes"}'},
        ],
        output_choices=[{"role": "assistant", "content": [{"type": "reasoning", "text": "A small bird."}, {"type": "text", "text": "A wren.\n```py\nprint('wren')\n```"}, {"type": "function", "id": "c2", "function": {"name": "play_song", "arguments": "{}"}}]}],
    ),
    call(3, trace_id="agent", span_id="leaf", parent_id="child", is_error=True, error_type="RateLimitError", error="quota is used up, wait", http_status=429),
]  # fmt: skip
OTHERS = [
    call(100 + number, user=f"user-{number % 9}", model=f"model-{number % 3}", total_cost_usd=number / 1000, latency=1, **said(f"question {number}", f"answer {number}"))
    for number in range(400)
]  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, running: Browser) -> Path:
    """A page of traces with everything in them and many plain ones."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write(path, [*AGENT, *OTHERS])
    return path


@pytest.fixture
def page(running: Browser, path: Path) -> Iterator[Opened]:
    with opened(running, path) as found:
        yield found
        found.assert_quiet()


def test_the_overview_answers_at_once_and_its_cards_lead_there(page: Opened) -> None:
    assert "403 calls in 401 traces" in page.text("#view-overview h1")
    assert "31.5 s" in page.text("#card-slowest")
    assert "quota is used up" in page.text("#card-error")
    page.page.click("#card-error")
    expect(page.page.locator(".error-panel")).to_contain_text("quota is used up, wait")
    expect(page.page.locator(".error-panel")).to_contain_text("HTTP 429")
    page.go("#/overview")
    page.page.click("#card-slowest")
    expect(page.page.locator(".call-head h2")).to_contain_text("ask")
    page.go("#/overview")
    page.page.click("#card-model")
    expect(page.page.locator("#found")).to_contain_text("of 401 traces")
    assert page.text("#table [data-number='0'] .model") in page.text("#by-model")


def test_the_plots_are_drawn(page: Opened) -> None:
    drawn = page.page.evaluate(
        """() => [...document.querySelectorAll("canvas")].map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.id, data.some((value) => value !== 0)];
        })"""
    )
    assert sorted(drawn) == [
        ["plot-kinds", True],
        ["plot-latency", True],
        ["plot-spending", True],
        ["plot-timeline", True],
    ]
    page.page.locator("#plot-kinds").click()
    expect(page.page.locator("#found")).to_have_text("1 of 401 traces")


def test_a_click_opens_a_trace_with_its_tree_and_its_conversation(page: Opened) -> None:
    page.page.click("nav a[data-view=traces]")
    page.page.fill("#search", "agent")
    expect(page.page.locator("#found")).to_have_text("1 of 401 traces")
    page.page.click("#table .row")
    tree = page.page.locator("#tree [role=treeitem]")
    expect(tree).to_have_count(3)
    assert [tree.nth(at).get_attribute("aria-level") for at in range(3)] == ["1", "2", "3"]
    expect(page.page.locator(".error-panel")).to_be_visible()  # what went wrong is shown first
    tree.nth(1).click()
    expect(page.page.locator(".call-head h2")).to_contain_text("ask")
    talk = page.page.locator("#call")
    for words in (
        "Be brief.",
        "Which bird?",
        "Result of look_up",
        "Troglodytes",
        "A small bird.",
        "A wren.",
        "play_song",
        "tool_calls",
        "test.jsonl:1",
        "31.5 s",
    ):
        expect(talk).to_contain_text(words)
    expect(talk).not_to_contain_text("turn 2")
    page.page.click("text=Show 7 earlier messages")
    expect(talk).to_contain_text("turn 2")
    expect(page.page.locator("#call pre[data-language=py]")).to_have_text("print('wren')")
    expect(page.page.locator("#call dl.arguments dt")).to_have_text(["bird"])


def test_only_a_true_picture_is_shown_and_none_is_loaded(page: Opened) -> None:
    page.go("#/trace/agent")
    page.page.locator("#tree [role=treeitem]").nth(1).click()
    expect(page.page.locator("#call img")).to_have_count(1)
    page.page.wait_for_function("document.querySelector('#call img').naturalWidth === 1")
    expect(page.page.locator("#call")).to_contain_text("https://example.com/a.png on a server, not loaded")


def test_the_table_is_searched_filtered_and_ordered(page: Opened) -> None:
    page.go("#/traces")
    page.page.fill("#search", "question user-7")
    expect(page.page.locator("#found")).to_have_text("44 of 401 traces")
    page.page.fill("#search", "")
    page.page.select_option("#by-model", "model-1")
    expect(page.page.locator("#found")).to_have_text("133 of 401 traces")
    page.page.click("[data-sort=cost] button")
    expect(page.page.locator("[data-sort=cost]")).to_have_attribute("aria-sort", "descending")
    expect(page.page.locator("#table [data-number='0']")).to_contain_text("question 397")
    page.page.click("[data-sort=cost] button")
    expect(page.page.locator("#table [data-number='0']")).to_contain_text("question 1")
    page.page.select_option("#by-model", "")
    page.page.check("#only-errors")
    expect(page.page.locator("#found")).to_have_text("1 of 401 traces")
    page.page.fill("#search", "nothing has this")
    page.page.click("#clear")
    expect(page.page.locator("#found")).to_have_text("401 traces")


def test_the_words_of_a_call_are_searched_too_if_asked(page: Opened) -> None:
    page.go("#/traces?q=troglodytes")
    expect(page.page.locator("#found")).to_have_text("0 of 401 traces")
    page.page.check("#in-content")
    expect(page.page.locator("#found")).to_have_text("1 of 401 traces")
    page.page.fill("#search", "answer user-8 model-2")
    expect(page.page.locator("#found")).to_have_text("44 of 401 traces")


def test_only_the_rows_in_view_are_elements(page: Opened) -> None:
    page.go("#/traces?sort=cost")
    expect(page.page.locator("#traces")).to_be_focused()
    assert page.page.locator("#table .row").count() < 60
    assert page.page.get_attribute("#traces", "aria-rowcount") == "402"
    page.page.keyboard.press("End")
    expect(page.page.locator("#table [aria-selected=true]")).to_have_attribute("data-number", "400")
    assert page.page.locator("#table .row").count() < 60


def test_the_keyboard_is_enough(page: Opened) -> None:
    keys = page.page.keyboard
    keys.press("/")
    expect(page.page.locator("#search")).to_be_focused()
    keys.type("agent")
    keys.press("Enter")
    expect(page.page.locator("#traces")).to_be_focused()
    expect(page.page.locator("#found")).to_have_text("1 of 401 traces")
    keys.press("Enter")
    expect(page.page.locator("#tree")).to_be_focused()
    active = page.page.locator("#tree [aria-selected=true]")
    expect(active).to_contain_text("gpt-4o")
    keys.press("k")
    expect(page.page.locator(".call-head h2")).to_contain_text("ask")
    keys.press("ArrowUp")
    expect(page.page.locator(".call-head h2")).to_contain_text("plan")
    assert page.page.get_attribute("#tree", "aria-activedescendant") == active.get_attribute("id")
    assert "/trace/agent/" in page.page.url
    keys.press("Escape")
    expect(page.page.locator("#view-traces")).to_be_visible()
    keys.press("?")
    expect(page.page.locator("#keys")).to_be_visible()
    keys.press("Escape")
    expect(page.page.locator("#keys")).to_be_hidden()
    keys.press("Escape")
    expect(page.page.locator("#view-overview")).to_be_visible()
    page.page.evaluate("document.activeElement.blur()")
    keys.press("Tab")
    expect(page.page.locator(":focus")).to_be_visible()
    assert page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_link_opens_its_call_and_one_that_leads_nowhere_says_so(running: Browser, path: Path) -> None:
    with opened(running, path, "#/trace/agent") as first:
        first.page.locator("#tree [role=treeitem]").nth(0).click()
        expect(first.page.locator(".call-head h2")).to_contain_text("plan")
        address = first.page.evaluate("location.hash")
    with opened(running, path, address) as again:
        expect(again.page.locator(".call-head h2")).to_contain_text("plan")
        again.go("#/trace/%E0%A4%A/x")
        expect(again.page.locator("#trace-head")).to_contain_text("not in the page")
        again.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_system_s_until_the_reader_chooses(running: Browser, path: Path, scheme: str) -> None:
    with opened(running, path, scheme=scheme) as page:
        before = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.page.get_attribute("html", "data-theme") == scheme
        page.page.click("#theme")
        assert page.page.get_attribute("html", "data-theme") != scheme
        assert page.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.assert_quiet()


@pytest.mark.parametrize("address", ["#/overview", "#/traces", "#/trace/agent"])
def test_a_telephone_shows_it_without_scrolling_sideways(running: Browser, path: Path, address: str) -> None:
    with opened(running, path, address, width=400, height=800) as page:
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 400
        page.assert_quiet()


def test_what_can_be_pressed_has_a_name(page: Opened) -> None:
    page.go("#/trace/agent")
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, [role=grid], [role=tree], canvas, [tabindex='0']")]
            .filter((element) => !(element.textContent.trim() || element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") || element.labels?.length || element.matches("pre")))
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []


# -------------------------------------------------------------------------------------------------------------- safety


def test_no_text_of_a_log_runs_wherever_it_is_shown(running: Browser, tmp_path: Path) -> None:
    records = [named(text, number) for number, text in enumerate(HOSTILE)]
    # Names that every JavaScript object has, whether or not it was given them.
    for record, role in zip(
        records, ("constructor", "__proto__", "toString", "", "user", "tool", "system", "x"), strict=True
    ):
        record["properties"]["$ai_input"].append(
            {"role": role, "content": [{"type": role, "text": "said"}], "tool_calls": [{"id": role}]}
        )
    write(tmp_path / "page.html", records)
    with opened(running, tmp_path / "page.html", "#/traces?sort=__proto__&order=constructor") as page:
        page.page.evaluate("window.canary = 0")
        count = page.page.evaluate("document.querySelectorAll('script').length")
        for number in range(len(HOSTILE)):
            page.go("#/traces?sort=time")
            page.page.locator(f"#table [data-number='{number}']").click()
            page.page.locator("#call summary").first.wait_for()
            page.page.evaluate("document.querySelectorAll('#call details').forEach((one) => { one.open = true; })")
            expect(page.page.locator("#call .message").first).to_be_visible()
        assert page.page.evaluate("window.canary") == 0
        assert page.page.evaluate("document.querySelectorAll('script').length") == count
        assert page.page.locator("#call img, #call svg, #call a, #trace-head b").count() == 0
        page.assert_quiet()


def test_hostile_text_is_shown_as_it_is(running: Browser, tmp_path: Path) -> None:
    write(tmp_path / "page.html", [named(HOSTILE[1])])
    with opened(running, tmp_path / "page.html", "#/traces") as page:
        page.page.locator("#table .row").click()
        expect(page.page.locator("#call .role-user")).to_contain_text(HOSTILE[1])
        assert HOSTILE[1] in page.page.title() or HOSTILE[1] in page.text("#trace-head")
        page.assert_quiet()


def test_the_policy_is_in_force(running: Browser, path: Path) -> None:
    with opened(running, path) as page:
        page.page.evaluate(
            """async () => {
                window.ran = [];
                const attempts = [
                    () => { const one = document.createElement("script"); one.textContent = "window.ran.push('script')"; document.body.append(one); },
                    () => { document.body.innerHTML = "<img src=x onerror=\\"window.ran.push('handler')\\">"; },
                    () => { const one = document.createElement("img"); one.setAttribute("onerror", "window.ran.push('handler')"); },
                    () => { const one = document.createElement("img"); one.src = "https://example.com/x.png"; document.body.append(one); },
                    () => { const one = document.createElement("style"); one.textContent = "body { display: none }"; document.body.append(one); },
                    () => fetch("https://example.com/").then(() => window.ran.push("fetch")),
                    () => { const one = document.createElement("iframe"); one.src = "https://example.com/"; document.body.append(one); },
                ];
                for (const attempt of attempts) { try { await attempt(); } catch { /* refused, as it must be */ } }
            }"""
        )
        page.page.wait_for_function("window.violations.length >= 5")
        assert page.page.evaluate("window.ran") == []
        assert page.page.evaluate("getComputedStyle(document.body).display") != "none"
        assert {"style-src-elem", "img-src", "connect-src", "frame-src"} <= set(page.page.evaluate("window.violations"))
        # Chromium tells of what it refuses as of a request, and then that the policy ended it.
        assert len(page.requests) == len(page.refused)
        assert set(page.refused) == {"csp"}


def test_in_privacy_mode_the_page_says_that_content_is_left_out_and_has_none(running: Browser, tmp_path: Path) -> None:
    secret = "the launch code is 4711"
    record = call(1, trace_id="t", latency=2, is_error=True, error_type="Timeout", error=secret, **said(secret, secret))
    (tmp_path / "app.jsonl").write_bytes(lines(record))
    done = run(tmp_path, "preview", "--no-ledger", "--privacy-mode", "--html", "report.html", "app.jsonl")
    assert done.code == 0, done.err
    found = parse(tmp_path / "report.html")
    assert secret not in (tmp_path / "report.html").read_text()
    for kind in ("rows", "o", "c"):
        assert secret.encode() not in orjson.dumps(found.blocks(kind))
    with opened(running, tmp_path / "report.html", "#/trace/t") as page:
        expect(page.page.locator("#call")).to_contain_text("Left out: --privacy-mode.")
        expect(page.page.locator(".error-panel")).to_contain_text("Timeout")
        page.assert_quiet()


NUMBERS = (
    0,
    0.00000004,
    0.0123456,
    0.00994999,
    0.0999,
    0.25,
    0.9949,
    0.9951,
    1,
    9.994,
    9.996,
    59.94,
    61.4,
    1234.6,
    3599.6,
    98765.4,
)


def test_numbers_are_written_as_in_the_terminal(running: Browser, tmp_path: Path) -> None:
    records = [
        call(at, latency=number, total_cost_usd=number, input_tokens=round(number * 10**6))
        for at, number in enumerate(NUMBERS)
    ]
    write(tmp_path / "page.html", records)
    with opened(running, tmp_path / "page.html", "#/traces?order=up&sort=time") as page:
        shown = [
            [row.locator(f".{column}").inner_text() for column in ("latency", "cost", "tokens")]
            for row in (page.page.locator(f"#table [data-number='{at}']") for at in range(len(NUMBERS)))
        ]
    assert shown == [
        [human_latency(number), human_usd(number), human_count(round(number * 10**6))] for number in NUMBERS
    ]


def test_the_figures_are_those_of_the_program_s_report(running: Browser, tmp_path: Path) -> None:
    (tmp_path / "app.jsonl").write_bytes(lines(*AGENT, *OTHERS))
    done = run(tmp_path, "preview", "--no-ledger", "--json", "--html", "report.html", "app.jsonl")
    figures: dict[str, Any] = orjson.loads(done.out)
    with opened(running, tmp_path / "report.html") as page:
        totals = page.text(".totals")
        assert f"Calls {figures['counts']['calls']}" in totals
        assert f"Cost ${figures['cost_usd']:.2f}" in totals
        assert figures["models"][0]["model"] in page.text("#card-model")
        assert f"{figures['slowest'][0]['latency_s']:.1f} s" in page.text("#card-slowest")
        page.assert_quiet()


_WALK = """async () => {
    const settle = () => new Promise((resolve) => setTimeout(resolve, 10));
    const press = (id, key) => document.getElementById(id).dispatchEvent(new KeyboardEvent("keydown", { key }));
    const total = Number(document.getElementById("traces").getAttribute("aria-rowcount")) - 1;
    const seen = { traces: total, messages: 0, pictures: 0, calls: 0, results: 0, reasoning: 0 };
    press("traces", "Enter");
    await settle();
    for (let trace = 0; trace < total; trace += 1) {
        await settle();
        document.querySelectorAll("#call details").forEach((one) => { one.open = true; });
        for (const [name, selector] of [["messages", ".message"], ["pictures", "img"], ["calls", ".part.call"], ["results", ".part.result"], ["reasoning", ".reasoning"]]) {
            seen[name] += document.querySelectorAll(`#call ${selector}`).length;
        }
        document.getElementById("next").click();
    }
    return seen;
}"""


@needs_openai_logs
def test_every_real_conversation_is_shown_without_a_complaint(running: Browser, tmp_path: Path) -> None:
    logs = str(OPENAI_LOGS / "pair_responses")
    done = run(tmp_path, "preview", "--no-ledger", "--media", "keep", "--html", "report.html", "--json", logs)
    figures = orjson.loads(done.out)
    with opened(running, tmp_path / "report.html", "#/traces") as page:
        seen = page.page.evaluate(_WALK)
        assert seen["traces"] == figures["traces"]["about"]
        assert seen["messages"] > 2 * seen["traces"]
        assert min(seen["pictures"], seen["calls"], seen["results"], seen["reasoning"]) > 0
        page.assert_quiet()
