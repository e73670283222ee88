"""Rules: what goes into the queue by itself when something happens to a product."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import CurrentUser, ProductRulesDep
from app.api.problems import problems
from app.domain.errors import InvalidToken, NotAuthenticated, ProductRuleNotFound
from app.schemas.stores import CreateRule, RuleRead, UpdateRule

router = APIRouter(prefix="/product-rules", tags=["products"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
FOUND = (*SIGNED_IN, ProductRuleNotFound)


@router.post(
    "", status_code=status.HTTP_201_CREATED, operation_id="product_rules_create", responses=problems(*SIGNED_IN)
)
async def create(body: CreateRule, user: CurrentUser, rules: ProductRulesDep) -> RuleRead:
    """Add a rule. Of several that fit one event, the oldest acts; a product that waits in the queue already, or is sold
    out, is not queued."""
    values = {**body.model_dump(), "conditions": body.conditions.model_dump(exclude_none=True)}
    return RuleRead.model_validate(await rules.create(user.id, values))


@router.get("", operation_id="product_rules_list", responses=problems(*SIGNED_IN))
async def list_rules(user: CurrentUser, rules: ProductRulesDep) -> list[RuleRead]:
    """List the rules, oldest first."""
    return [RuleRead.model_validate(row) for row in await rules.list_all(user.id)]


@router.get("/{rule_id}", operation_id="product_rules_get", responses=problems(*FOUND))
async def get(rule_id: UUID, user: CurrentUser, rules: ProductRulesDep) -> RuleRead:
    """Return one rule."""
    return RuleRead.model_validate(await rules.get(user.id, rule_id))


@router.patch("/{rule_id}", operation_id="product_rules_update", responses=problems(*FOUND))
async def update(rule_id: UUID, body: UpdateRule, user: CurrentUser, rules: ProductRulesDep) -> RuleRead:
    """Change a rule. A field left out is unchanged; `conditions` are replaced as a whole."""
    changes = body.model_dump(exclude_unset=True)
    if body.conditions is not None:
        changes["conditions"] = body.conditions.model_dump(exclude_none=True)
    return RuleRead.model_validate(await rules.update(user.id, rule_id, changes))


@router.delete(
    "/{rule_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="product_rules_delete",
    responses=problems(*FOUND),
)
async def delete(rule_id: UUID, user: CurrentUser, rules: ProductRulesDep) -> None:
    """Delete a rule. What it has queued stays."""
    await rules.delete(user.id, rule_id)
