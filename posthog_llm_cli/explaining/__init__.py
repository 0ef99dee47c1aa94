"""What becomes of one record, and which of its fields each property of the event comes from. Pure.

Nothing here knows the formats. Where a value comes from is found out by trying: a field is changed, the record is
converted again, and what is different in the event comes from that field (`probing`). So an explanation cannot say
something else than the conversion does.
"""

from posthog_llm_cli.explaining.explanation import explain
from posthog_llm_cli.explaining.values import Explanation, LeftOut, Row, as_dict

__all__ = ["Explanation", "LeftOut", "Row", "as_dict", "explain"]
