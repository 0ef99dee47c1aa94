import gc
import subprocess
import sys

from posthog_llm_cli.pipeline.memory import collecting_what_is_new

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


def test_what_was_there_before_a_run_is_left_alone_during_it_only() -> None:
    with collecting_what_is_new():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


RARELY = """
import gc
from posthog_llm_cli.pipeline.memory import collect_rarely

class Knot:
    def __init__(self): self.own = self

collect_rarely()
found = []
gc.callbacks.append(lambda phase, info: found.append(info["collected"]) if phase == "stop" else None)
for _ in range(100_000): Knot()
print(len(found), sum(found))
"""


def test_a_worker_looks_for_cycles_seldom_and_finds_them() -> None:
    done = subprocess.run([sys.executable, "-c", RARELY], capture_output=True, text=True, check=True)
    times, found = map(int, done.stdout.split())
    assert found >= 50_000
    assert times < 20, "a hundred and more by default"
