"""One call, one uuid: the namespace and its derivation are pinned, for a change makes every replay a duplicate."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.identity import NAMESPACE, event_uuid, replaced_id


def test_the_namespace_never_changes() -> None:
    assert str(NAMESPACE) == "4aa45a0d-3934-5612-94d3-a0d6a13c0764"
    assert event_uuid("litellm|c-1|1748772000000|success") == "a0291c46-e0f6-5ba2-aa88-bb022b25454b"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_event_has_the_uuid_of_version_5_of_its_identity(identity: str) -> None:
    assert event_uuid(identity) == str(uuid.uuid5(NAMESPACE, identity))
    assert replaced_id(identity) == str(uuid.uuid5(NAMESPACE, f"id|{identity}"))
