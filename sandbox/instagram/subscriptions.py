"""Which events of an account an app hears of. Source: Instagram Platform › Webhooks."""

from __future__ import annotations

from sandbox.instagram.access import BASIC, COMMENTS, account_of, persona_of
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter
from sandbox.wire import Answer, Call, ok

FIELDS = frozenset({"comments", "live_comments", "mentions", "message_reactions", "messages", "story_insights"})


async def create(call: Call) -> Answer:
    """`POST /{ig or me}/subscribed_apps`: the list of fields replaces the previous one."""
    account_id = account_of(call, BASIC, COMMENTS)
    values = params.read(call.params, {"subscribed_fields": params.text}, ("subscribed_fields",))
    fields = values["subscribed_fields"].split(",")
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise bad_parameter(f"Param subscribed_fields[0] must be one of {{{', '.join(sorted(FIELDS))}}}: {unknown[0]}")
    persona = persona_of(call.sandbox, account_id)
    persona.subscribed = fields
    call.sandbox.state.personas.put(persona)
    return ok({"success": True})
