"""from product to post: sources, captions, schedules, links

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ai_spend",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "month", name=op.f("pk_ai_spend")),
    )
    op.create_table(
        "brand_voices",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_brand_voices_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_brand_voices")),
    )
    op.create_table(
        "caption_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(128)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_caption_batches_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_batches")),
    )
    op.create_index(
        "ix_caption_batches_due_at", "caption_batches", ["due_at"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index(op.f("ix_caption_batches_user_id"), "caption_batches", ["user_id"])
    op.create_table(
        "caption_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("platforms", sa.ARRAY(sa.String(32)), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hashtags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_caption_templates_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_templates")),
    )
    op.create_index(op.f("ix_caption_templates_user_id"), "caption_templates", ["user_id"])
    op.create_table(
        "hashtag_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("hashtags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_hashtag_sets_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hashtag_sets")),
    )
    op.create_index(op.f("ix_hashtag_sets_user_id"), "hashtag_sets", ["user_id"])
    op.create_table(
        "publishing_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_publishing_preferences_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_publishing_preferences")),
    )
    op.create_table(
        "store_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("store_url", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary()),
        sa.Column("key_version", sa.String(16)),
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("sync_state", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("next_sync_at", sa.DateTime(timezone=True)),
        sa.Column("lease_id", sa.Uuid()),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("last_synced_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_store_connections_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_connections")),
    )
    op.create_index(
        "ix_store_connections_next_sync_at",
        "store_connections",
        ["next_sync_at"],
        postgresql_where=sa.text("is_active"),
    )
    op.create_index(op.f("ix_store_connections_user_id"), "store_connections", ["user_id"])
    op.create_table(
        "usage_counters",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.String(32), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_usage_counters_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "metric", "month", name=op.f("pk_usage_counters")),
    )
    op.create_table(
        "account_schedules",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("timezone", sa.String(64)),
        sa.Column("slots", postgresql.JSONB()),
        sa.Column("min_spacing_minutes", sa.Integer(), server_default=sa.text("60"), nullable=False),
        sa.Column("daily_max", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.Column("blackout_dates", sa.ARRAY(sa.Date()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["social_accounts.id"],
            name=op.f("fk_account_schedules_account_id_social_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_account_schedules_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_schedules")),
    )
    op.create_index(op.f("ix_account_schedules_user_id"), "account_schedules", ["user_id"])
    op.create_table(
        "product_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("connection_id", sa.Uuid()),
        sa.Column("platforms", sa.ARRAY(sa.String(32)), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("generate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tone", sa.String(64)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["store_connections.id"],
            name=op.f("fk_product_rules_connection_id_store_connections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_product_rules_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_rules")),
    )
    op.create_index(op.f("ix_product_rules_user_id"), "product_rules", ["user_id"])
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid()),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("image_urls", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("brand", sa.Text()),
        sa.Column("category", sa.Text()),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("price_minor", sa.BigInteger()),
        sa.Column("compare_at_price_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("is_available", sa.Boolean()),
        sa.Column("stock_count", sa.Integer()),
        sa.Column("variants", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("status", sa.String(16), server_default="active", nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("seen_run_id", sa.Uuid()),
        sa.Column("source_updated_at", sa.DateTime(timezone=True)),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["store_connections.id"],
            name=op.f("fk_products_connection_id_store_connections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_products_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_index("ix_products_connection_id", "products", ["connection_id", "seen_run_id"])
    op.create_index(
        "ix_products_user_id_created_at",
        "products",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_index(
        "uq_products_source",
        "products",
        ["user_id", "connection_id", "external_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "sync_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("counts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("errors", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["store_connections.id"],
            name=op.f("fk_sync_runs_connection_id_store_connections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_runs")),
    )
    op.create_index(
        "ix_sync_runs_connection_id_started_at", "sync_runs", ["connection_id", sa.literal_column("started_at DESC")]
    )
    op.create_table(
        "product_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_events_product_id_products"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_product_events_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_events")),
    )
    op.create_index(
        "ix_product_events_product_id", "product_events", ["product_id", sa.literal_column("created_at DESC")]
    )
    op.create_index(
        "ix_product_events_unhandled", "product_events", ["created_at"], postgresql_where=sa.text("handled_at IS NULL")
    )
    op.create_index(op.f("ix_product_events_user_id"), "product_events", ["user_id"])
    op.create_table(
        "ai_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid()),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("outcome", sa.String(32)),
        sa.Column("http_status", sa.SmallInteger()),
        sa.Column("error_type", sa.String(64)),
        sa.Column("stop_reason", sa.String(64)),
        sa.Column("request_id", sa.String(128)),
        sa.Column("input_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("output_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_creation_input_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_read_input_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("thinking_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("service_tier", sa.String(32)),
        sa.Column("reserved_micros", sa.BigInteger()),
        sa.Column("cost_micros", sa.BigInteger()),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["item_id"], ["content_queue.id"], name=op.f("fk_ai_calls_item_id_content_queue"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ai_calls_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_calls")),
    )
    op.create_index(op.f("ix_ai_calls_item_id"), "ai_calls", ["item_id"])
    op.create_index("ix_ai_calls_open", "ai_calls", ["started_at"], postgresql_where=sa.text("outcome IS NULL"))
    op.create_index("ix_ai_calls_user_id_started_at", "ai_calls", ["user_id", "started_at"])
    op.create_table(
        "caption_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("captions", postgresql.JSONB(), nullable=False),
        sa.Column("model", sa.String(128)),
        sa.Column("tone", sa.String(64)),
        sa.Column("instruction", sa.Text()),
        sa.Column("prompt_version", sa.String(32)),
        sa.Column("inputs_hash", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["content_queue.id"],
            name=op.f("fk_caption_versions_item_id_content_queue"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_caption_versions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_versions")),
        sa.UniqueConstraint("item_id", "version", name=op.f("uq_caption_versions_item_id_version")),
    )
    op.create_index(op.f("ix_caption_versions_user_id"), "caption_versions", ["user_id"])
    op.create_table(
        "short_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.Uuid()),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("target_url", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bot_hits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_clicked_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_short_links_post_id_posts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_short_links_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_short_links")),
        sa.UniqueConstraint("code", name=op.f("uq_short_links_code")),
    )
    op.create_index(
        "ix_short_links_post_id", "short_links", ["post_id"], postgresql_where=sa.text("post_id IS NOT NULL")
    )
    op.create_index(op.f("ix_short_links_user_id"), "short_links", ["user_id"])
    op.create_table(
        "link_days",
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("clicks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["short_links.id"], name=op.f("fk_link_days_link_id_short_links"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("link_id", "day", name=op.f("pk_link_days")),
    )
    op.create_table(
        "link_visitors",
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("visitor_hash", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["short_links.id"], name=op.f("fk_link_visitors_link_id_short_links"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("link_id", "visitor_hash", name=op.f("pk_link_visitors")),
    )
    op.add_column("content_queue", sa.Column("product_id", sa.Uuid()))
    op.add_column("content_queue", sa.Column("origin", sa.String(32), server_default="manual", nullable=False))
    op.add_column(
        "content_queue", sa.Column("captions", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("content_queue", sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("content_queue", sa.Column("error_code", sa.String(64)))
    op.add_column("content_queue", sa.Column("generate_request", postgresql.JSONB()))
    op.add_column("content_queue", sa.Column("generate_due_at", sa.DateTime(timezone=True)))
    op.add_column("content_queue", sa.Column("generate_lease_id", sa.Uuid()))
    op.add_column("content_queue", sa.Column("generate_lease_until", sa.DateTime(timezone=True)))
    op.add_column(
        "content_queue", sa.Column("generate_tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("content_queue", sa.Column("batch_id", sa.Uuid()))
    op.add_column("content_queue", sa.Column("approved_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_content_queue_generate_due_at",
        "content_queue",
        ["generate_due_at"],
        postgresql_where=sa.text("generate_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_content_queue_product_id",
        "content_queue",
        ["product_id"],
        postgresql_where=sa.text("product_id IS NOT NULL"),
    )
    op.create_index(
        "ix_content_queue_user_id_status_created_at",
        "content_queue",
        ["user_id", "status", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_foreign_key(
        op.f("fk_content_queue_product_id_products"),
        "content_queue",
        "products",
        ["product_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_foreign_key(
        op.f("fk_content_queue_batch_id_caption_batches"),
        "content_queue",
        "caption_batches",
        ["batch_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.add_column("posts", sa.Column("queue_item_id", sa.Uuid()))
    op.add_column("posts", sa.Column("product_id", sa.Uuid()))
    op.add_column("posts", sa.Column("product_facts", postgresql.JSONB()))
    op.create_index("ix_posts_product_id", "posts", ["product_id"], postgresql_where=sa.text("product_id IS NOT NULL"))
    op.create_index(
        "ix_posts_queue_item_id", "posts", ["queue_item_id"], postgresql_where=sa.text("queue_item_id IS NOT NULL")
    )
    op.create_foreign_key(
        op.f("fk_posts_product_id_products"), "posts", "products", ["product_id"], ["id"], ondelete="SET NULL"
    )
    op.create_foreign_key(
        op.f("fk_posts_queue_item_id_content_queue"),
        "posts",
        "content_queue",
        ["queue_item_id"],
        ["id"],
        ondelete="SET NULL",
    )

    # An item is posted once one of its posts is out and none is still to come; one that lost all its posts may be
    # planned again. The item's row is locked first: two posts that end at the same moment see one another.
    op.execute("""
        CREATE FUNCTION follow_queue_item() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM 1 FROM content_queue WHERE id = OLD.queue_item_id FOR UPDATE;
            IF TG_OP = 'UPDATE' THEN
                UPDATE content_queue SET status = 'posted', updated_at = now()
                WHERE id = NEW.queue_item_id AND status = 'scheduled' AND NOT EXISTS (
                    SELECT 1 FROM posts WHERE queue_item_id = NEW.queue_item_id AND id <> NEW.id
                      AND status IN ('draft', 'scheduled', 'publishing', 'on_hold')
                );
            ELSE
                UPDATE content_queue SET status = 'approved', updated_at = now()
                WHERE id = OLD.queue_item_id AND status = 'scheduled'
                  AND NOT EXISTS (SELECT 1 FROM posts WHERE queue_item_id = OLD.queue_item_id);
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER follow_queue_item_posted AFTER UPDATE OF status ON posts FOR EACH ROW
        WHEN (NEW.queue_item_id IS NOT NULL AND NEW.status = 'posted' AND OLD.status <> 'posted')
        EXECUTE FUNCTION follow_queue_item()
    """)
    op.execute("""
        CREATE TRIGGER follow_queue_item_deleted AFTER DELETE ON posts FOR EACH ROW
        WHEN (OLD.queue_item_id IS NOT NULL) EXECUTE FUNCTION follow_queue_item()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER follow_queue_item_posted ON posts")
    op.execute("DROP TRIGGER follow_queue_item_deleted ON posts")
    op.execute("DROP FUNCTION follow_queue_item")
    op.drop_constraint(op.f("fk_posts_queue_item_id_content_queue"), "posts", type_="foreignkey")
    op.drop_constraint(op.f("fk_posts_product_id_products"), "posts", type_="foreignkey")
    op.drop_index("ix_posts_queue_item_id", table_name="posts", postgresql_where=sa.text("queue_item_id IS NOT NULL"))
    op.drop_index("ix_posts_product_id", table_name="posts", postgresql_where=sa.text("product_id IS NOT NULL"))
    op.drop_column("posts", "product_facts")
    op.drop_column("posts", "product_id")
    op.drop_column("posts", "queue_item_id")
    op.drop_constraint(op.f("fk_content_queue_batch_id_caption_batches"), "content_queue", type_="foreignkey")
    op.drop_constraint(op.f("fk_content_queue_product_id_products"), "content_queue", type_="foreignkey")
    op.drop_index("ix_content_queue_user_id_status_created_at", table_name="content_queue")
    op.drop_index(
        "ix_content_queue_product_id", table_name="content_queue", postgresql_where=sa.text("product_id IS NOT NULL")
    )
    op.drop_index(
        "ix_content_queue_generate_due_at",
        table_name="content_queue",
        postgresql_where=sa.text("generate_due_at IS NOT NULL"),
    )
    op.drop_column("content_queue", "approved_at")
    op.drop_column("content_queue", "batch_id")
    op.drop_column("content_queue", "generate_tries")
    op.drop_column("content_queue", "generate_lease_until")
    op.drop_column("content_queue", "generate_lease_id")
    op.drop_column("content_queue", "generate_due_at")
    op.drop_column("content_queue", "generate_request")
    op.drop_column("content_queue", "error_code")
    op.drop_column("content_queue", "version")
    op.drop_column("content_queue", "captions")
    op.drop_column("content_queue", "origin")
    op.drop_column("content_queue", "product_id")
    op.drop_table("link_visitors")
    op.drop_table("link_days")
    op.drop_table("short_links")
    op.drop_table("caption_versions")
    op.drop_table("ai_calls")
    op.drop_table("product_events")
    op.drop_table("sync_runs")
    op.drop_table("products")
    op.drop_table("product_rules")
    op.drop_table("account_schedules")
    op.drop_table("usage_counters")
    op.drop_table("store_connections")
    op.drop_table("publishing_preferences")
    op.drop_table("hashtag_sets")
    op.drop_table("caption_templates")
    op.drop_table("caption_batches")
    op.drop_table("brand_voices")
    op.drop_table("ai_spend")
