"""Caption templates and hashtag sets, and filling an item of the queue from one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.make import Factory, MadeUser

from app.kit.ids import new_id

MUG: dict[str, Any] = {
    "title": "Blue mug",
    "description": "Holds 350 ml. Glazed twice.",
    "price": "24.00",
    "currency": "EUR",
}
NEW_IN = {
    "name": "New in",
    "content": "{title}\n\n{first_sentence}\n\nNow {price}\nWas {old_price}\n{url}",
    "hashtags": ["#NewIn", "newin"],
    "platforms": ["facebook"],
}
MUGS = {"name": "Mugs", "hashtags": ["mug"]}
KINDS = (("/templates", NEW_IN, "template_not_found"), ("/hashtag-sets", MUGS, "hashtag_set_not_found"))


@pytest.mark.parametrize(("path", "body", "code"), KINDS)
class TestBoth:
    async def test_are_made_changed_listed_and_removed(
        self, client: httpx.AsyncClient, signed_in: MadeUser, path: str, body: dict[str, Any], code: str
    ) -> None:
        made = ok(await client.post(path, json=body), 201)
        assert made["name"] == body["name"]
        assert ok(await client.get(f"{path}/{made['id']}")) == made
        changed = ok(await client.patch(f"{path}/{made['id']}", json={"name": "A new name"}))
        assert changed == {**made, "name": "A new name", "updated_at": changed["updated_at"]}
        other = ok(await client.post(path, json={**body, "name": "a first one"}), 201)
        page = ok(await client.get(path))
        assert ([one["id"] for one in page["items"]], page["total"]) == ([other["id"], made["id"]], 2)
        assert (await client.delete(f"{path}/{made['id']}")).status_code == 204
        assert problem(await client.get(f"{path}/{made['id']}")) == (404, code)
        assert ok(await client.get(path))["total"] == 1

    async def test_are_their_owners(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        path: str,
        body: dict[str, Any],
        code: str,
    ) -> None:
        made = ok(await client.post(path, json=body), 201)
        client.headers.update((await factory.user()).headers)
        for row_id in (made["id"], new_id()):
            for request in (
                client.get(f"{path}/{row_id}"),
                client.patch(f"{path}/{row_id}", json={}),
                client.delete(f"{path}/{row_id}"),
            ):
                assert problem(await request) == (404, code)
        assert ok(await client.get(path))["total"] == 0

    async def test_do_not_lose_a_field_to_a_null(
        self, client: httpx.AsyncClient, signed_in: MadeUser, path: str, body: dict[str, Any], code: str
    ) -> None:
        made = ok(await client.post(path, json=body), 201)
        assert field_errors(await client.patch(f"{path}/{made['id']}", json={"name": None})) == [
            ("body", "value_error")
        ]
        assert ok(await client.get(f"{path}/{made['id']}")) == made


class TestTemplates:
    async def test_render_a_product_and_leave_out_empty_lines(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        made = ok(await client.post("/templates", json=NEW_IN), 201)
        assert made["hashtags"] == ["NewIn"]
        body = ok(await client.post(f"/templates/{made['id']}/render", json={"product_data": MUG}))
        assert body == {"caption": "Blue mug\n\nHolds 350 ml.\n\nNow €24.00", "hashtags": ["NewIn"]}

    @pytest.mark.parametrize("content", ["{name}", "{title} {colour}", "{}", "{ title }"])
    async def test_refuse_a_field_that_products_do_not_have(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, content: str
    ) -> None:
        response = await client.post("/templates", json={**NEW_IN, "content": content})
        assert field_errors(response) == [("body.content", "value_error")]
        assert "{title}" in response.json()["detail"]
        assert await factory.count("caption_templates") == 0

    async def test_hashtags_of_a_set_are_needed(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.post("/hashtag-sets", json={"name": "None", "hashtags": []})
        assert field_errors(response) == [("body.hashtags", "too_short")]


class TestApply:
    async def test_fills_an_item_without_counting_a_caption(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        made = ok(await client.post("/templates", json=NEW_IN), 201)
        item = ok(await client.post("/queue", json={"product_data": MUG, "platforms": ["facebook", "tiktok"]}), 201)
        body = {"template_id": made["id"]}
        done = ok(await client.post(f"/queue/{item['id']}/apply-template", json=body))
        assert (done["status"], done["version"], list(done["captions"])) == ("generated", 1, ["facebook"])
        caption = done["captions"]["facebook"]
        assert caption["caption"].startswith("Blue mug\n\nHolds")
        assert (caption["hashtags"], caption["model"], caption["findings"]) == (["NewIn"], "own_template", [])
        assert await factory.count("usage_counters") == 0
        everywhere = ok(
            await client.post(f"/queue/{item['id']}/apply-template", json={**body, "platforms": ["tiktok"]})
        )
        assert sorted(everywhere["captions"]) == ["facebook", "tiktok"]

    async def test_says_when_it_does_not_fit(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        made = ok(await client.post("/templates", json=NEW_IN), 201)
        link = ok(await client.post("/templates", json={**NEW_IN, "content": "{url}"}), 201)
        item = ok(await client.post("/queue", json={"product_data": MUG, "platforms": ["tiktok"]}), 201)
        for template, platforms in ((made, None), (link, ["tiktok"])):
            body = {"template_id": template["id"], "platforms": platforms}
            response = await client.post(f"/queue/{item['id']}/apply-template", json=body)
            assert field_errors(response) == [("body.template_id", "template_does_not_fit")]
        assert ok(await client.get(f"/queue/{item['id']}"))["status"] == "pending"
        response = await client.post(f"/queue/{item['id']}/apply-template", json={"template_id": str(new_id())})
        assert problem(response) == (404, "template_not_found")
