"""Caption templates and hashtag sets."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import ContainerDep, CurrentUser, Page, PerPage, TemplateServiceDep
from app.api.problems import problems
from app.domain.caption_templates import rendered
from app.domain.errors import HashtagSetNotFound, InvalidRequest, InvalidToken, NotAuthenticated, TemplateNotFound
from app.domain.products import facts_of
from app.schemas.templates import (
    CreateHashtagSet,
    CreateTemplate,
    HashtagSetPage,
    HashtagSetRead,
    RenderedTemplate,
    RenderTemplate,
    TemplatePage,
    TemplateRead,
    UpdateHashtagSet,
    UpdateTemplate,
)

router = APIRouter(tags=["templates"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
ONE_TEMPLATE = (*SIGNED_IN, TemplateNotFound)
ONE_SET = (*SIGNED_IN, HashtagSetNotFound)


@router.get("/templates", operation_id="templates_list", responses=problems(*SIGNED_IN))
async def list_templates(
    user: CurrentUser, templates: TemplateServiceDep, page: Page = 1, per_page: PerPage = 20
) -> TemplatePage:
    """List templates by name."""
    rows, total = await templates.templates(user.id, page=page, per_page=per_page)
    items = [TemplateRead.model_validate(row) for row in rows]
    return TemplatePage(items=items, total=total, page=page, per_page=per_page)


@router.post(
    "/templates",
    status_code=status.HTTP_201_CREATED,
    operation_id="templates_create",
    responses=problems(*SIGNED_IN, InvalidRequest),
)
async def create_template(body: CreateTemplate, user: CurrentUser, templates: TemplateServiceDep) -> TemplateRead:
    """Keep a caption with placeholders such as `{title}` and `{price}`."""
    return TemplateRead.model_validate(await templates.add_template(user.id, body.model_dump()))


@router.get("/templates/{template_id}", operation_id="templates_get", responses=problems(*ONE_TEMPLATE))
async def get_template(template_id: UUID, user: CurrentUser, templates: TemplateServiceDep) -> TemplateRead:
    """Return one template."""
    return TemplateRead.model_validate(await templates.template(user.id, template_id))


@router.patch(
    "/templates/{template_id}", operation_id="templates_update", responses=problems(*ONE_TEMPLATE, InvalidRequest)
)
async def update_template(
    template_id: UUID, body: UpdateTemplate, user: CurrentUser, templates: TemplateServiceDep
) -> TemplateRead:
    """Change the given fields."""
    changes = body.model_dump(exclude_unset=True)
    return TemplateRead.model_validate(await templates.change_template(user.id, template_id, changes))


@router.delete(
    "/templates/{template_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="templates_delete",
    responses=problems(*ONE_TEMPLATE),
)
async def delete_template(template_id: UUID, user: CurrentUser, templates: TemplateServiceDep) -> None:
    """Remove a template. Captions made from it stay."""
    await templates.delete_template(user.id, template_id)


@router.post(
    "/templates/{template_id}/render",
    operation_id="templates_render",
    responses=problems(*ONE_TEMPLATE, InvalidRequest),
)
async def render_template(
    template_id: UUID, body: RenderTemplate, user: CurrentUser, templates: TemplateServiceDep, container: ContainerDep
) -> RenderedTemplate:
    """Show what a template makes of a product, in the language of the brand voice."""
    template = await templates.template(user.id, template_id)
    voice = await container.captions.voice(user.id)
    caption = rendered(template.content, facts_of(body.product_data), language=voice.language)
    return RenderedTemplate(caption=caption, hashtags=template.hashtags)


@router.get("/hashtag-sets", operation_id="hashtag_sets_list", responses=problems(*SIGNED_IN))
async def list_hashtag_sets(
    user: CurrentUser, templates: TemplateServiceDep, page: Page = 1, per_page: PerPage = 20
) -> HashtagSetPage:
    """List hashtag sets by name."""
    rows, total = await templates.hashtag_sets(user.id, page=page, per_page=per_page)
    items = [HashtagSetRead.model_validate(row) for row in rows]
    return HashtagSetPage(items=items, total=total, page=page, per_page=per_page)


@router.post(
    "/hashtag-sets",
    status_code=status.HTTP_201_CREATED,
    operation_id="hashtag_sets_create",
    responses=problems(*SIGNED_IN, InvalidRequest),
)
async def create_hashtag_set(
    body: CreateHashtagSet, user: CurrentUser, templates: TemplateServiceDep
) -> HashtagSetRead:
    """Keep hashtags that are used together."""
    return HashtagSetRead.model_validate(await templates.add_hashtag_set(user.id, body.model_dump()))


@router.get("/hashtag-sets/{set_id}", operation_id="hashtag_sets_get", responses=problems(*ONE_SET))
async def get_hashtag_set(set_id: UUID, user: CurrentUser, templates: TemplateServiceDep) -> HashtagSetRead:
    """Return one hashtag set."""
    return HashtagSetRead.model_validate(await templates.hashtag_set(user.id, set_id))


@router.patch(
    "/hashtag-sets/{set_id}", operation_id="hashtag_sets_update", responses=problems(*ONE_SET, InvalidRequest)
)
async def update_hashtag_set(
    set_id: UUID, body: UpdateHashtagSet, user: CurrentUser, templates: TemplateServiceDep
) -> HashtagSetRead:
    """Change the given fields."""
    changes = body.model_dump(exclude_unset=True)
    return HashtagSetRead.model_validate(await templates.change_hashtag_set(user.id, set_id, changes))


@router.delete(
    "/hashtag-sets/{set_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="hashtag_sets_delete",
    responses=problems(*ONE_SET),
)
async def delete_hashtag_set(set_id: UUID, user: CurrentUser, templates: TemplateServiceDep) -> None:
    """Remove a hashtag set."""
    await templates.delete_hashtag_set(user.id, set_id)
