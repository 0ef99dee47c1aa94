import gc
import subprocess
import sys

from posthog_llm_cli.pipeline.memory import collecting_rarely

SETTINGS = """
import threading
from posthog_llm_cli.pipeline.memory import give_back_early

def resident_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

def make_and_drop():
    held = [bytearray(600_000) for _ in range(40)]
    del held

give_back_early()
before = resident_kib()
threads = [threading.Thread(target=make_and_drop) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(resident_kib() - before)
"""


def test_large_blocks_of_many_threads_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SETTINGS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000, "eight threads had up to 190 MB"


def test_the_collector_works_as_before_after_a_run() -> None:
    before = gc.get_threshold()
    with collecting_rarely():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_cycles_are_still_found_while_a_run_goes_on() -> None:
    class Knot:
        def __init__(self) -> None:
            self.own = self

    with collecting_rarely():
        found: list[int] = []
        gc.callbacks.append(lambda phase, info: found.append(info["collected"]) if phase == "stop" else None)
        try:
            for _ in range(100_000):
                Knot()
        finally:
            gc.callbacks.pop()
    assert sum(found) >= 50_000
