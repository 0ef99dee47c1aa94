"""The ledger: which events are settled, for which destination, by which run; and what each run reported.

A SQLite file of one writer at a time, described in docs/ledger.md. `Ledger` is what a run writes into, `view()` what a
dry run reads, `reading` and `care` are behind `plh ledger …`.
"""

from posthog_llm_cli.ledger.files import files_of, name_of
from posthog_llm_cli.ledger.records import Ledger, LedgerView, NoLedger, RunStart, view

__all__ = ["Ledger", "LedgerView", "NoLedger", "RunStart", "files_of", "name_of", "view"]
