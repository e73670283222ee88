"""people, plans and money: sign-in, billing, and what happens told onwards

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_events",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(128), nullable=False),
        sa.Column("api_version", sa.String(64)),
        sa.Column("created_epoch", sa.BigInteger()),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_events")),
    )
    op.create_index(
        "ix_billing_events_due_at", "billing_events", ["due_at"], postgresql_where=sa.text("handled_at IS NULL")
    )
    op.create_table(
        "billing_prices",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("plan", sa.String(32), nullable=False),
        sa.Column("lookup_key", sa.String(200)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_prices")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("ip_address", sa.String(64)),
        sa.Column("user_agent", sa.String(512)),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_audit_events_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_user_id_id", "audit_events", ["user_id", sa.literal_column("id DESC")])
    op.create_table(
        "checkouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.String(32), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("session_id", sa.String(255)),
        sa.Column("url", sa.Text()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_checkouts_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkouts")),
        sa.UniqueConstraint("session_id", name=op.f("uq_checkouts_session_id")),
    )
    op.create_index(op.f("ix_checkouts_user_id"), "checkouts", ["user_id"])
    op.create_table(
        "notification_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("in_app", sa.Boolean(), nullable=False),
        sa.Column("mail", sa.String(16), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notification_settings_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "kind", name=op.f("pk_notification_settings")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("dedupe_key", sa.String(255), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("in_app", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.Column("mail_due_at", sa.DateTime(timezone=True)),
        sa.Column("mailed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notifications_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("user_id", "dedupe_key", name=op.f("uq_notifications_user_id_dedupe_key")),
    )
    op.create_index(
        "ix_notifications_mail_due_at",
        "notifications",
        ["mail_due_at"],
        postgresql_where=sa.text("mail_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_user_id_created_at",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_table(
        "one_time_tokens",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_one_time_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_one_time_tokens")),
    )
    op.create_index(op.f("ix_one_time_tokens_user_id"), "one_time_tokens", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_user_id"), "recovery_codes", ["user_id"])
    op.create_table(
        "user_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_events_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_events")),
    )
    op.create_index("ix_user_events_unhandled", "user_events", ["id"], postgresql_where=sa.text("handled_at IS NULL"))
    op.create_index("ix_user_events_user_id_id", "user_events", ["user_id", "id"])
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("secret_ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(16), nullable=False),
        sa.Column("events", sa.ARRAY(sa.String(64)), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_webhook_endpoints_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(op.f("ix_webhook_endpoints_user_id"), "webhook_endpoints", ["user_id"])
    op.create_table(
        "account_snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("followers", sa.BigInteger()),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["social_accounts.id"],
            name=op.f("fk_account_snapshots_account_id_social_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_account_snapshots_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_snapshots")),
    )
    op.create_index("ix_account_snapshots_account_id_fetched_at", "account_snapshots", ["account_id", "fetched_at"])
    op.create_index(op.f("ix_account_snapshots_user_id"), "account_snapshots", ["user_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("replay", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lane", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_status", sa.SmallInteger()),
        sa.Column("last_error", sa.Text()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(16)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_webhook_deliveries_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "endpoint_id", "event_id", "replay", name=op.f("uq_webhook_deliveries_endpoint_id_event_id_replay")
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_due_at", "webhook_deliveries", ["due_at"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_position",
        "webhook_deliveries",
        ["endpoint_id", sa.literal_column("position DESC")],
    )
    op.create_index(
        "ix_webhook_deliveries_open",
        "webhook_deliveries",
        ["endpoint_id", "lane", "position"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_webhook_deliveries_user_id"), "webhook_deliveries", ["user_id"])
    op.add_column("auth_sessions", sa.Column("ip_address", sa.String(64)))
    op.add_column("auth_sessions", sa.Column("user_agent", sa.String(512)))
    op.add_column("subscriptions", sa.Column("price_id", sa.String(255)))
    op.add_column("subscriptions", sa.Column("cancels_at", sa.DateTime(timezone=True)))
    op.add_column("subscriptions", sa.Column("trial_ends_at", sa.DateTime(timezone=True)))
    op.add_column("subscriptions", sa.Column("past_due_since", sa.DateTime(timezone=True)))
    op.add_column("subscriptions", sa.Column("invoice_url", sa.Text()))
    op.add_column("subscriptions", sa.Column("synced_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("email_verified_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("password_changed_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("totp_ciphertext", sa.LargeBinary()))
    op.add_column("users", sa.Column("totp_key_version", sa.String(16)))
    op.add_column("users", sa.Column("totp_enabled_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("totp_last_step", sa.BigInteger()))
    op.add_column("users", sa.Column("trial_used_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("external_platform_id", sa.String(255)))
    op.add_column("users", sa.Column("external_store_id", sa.String(255)))
    op.create_unique_constraint(op.f("uq_users_external_platform_id"), "users", ["external_platform_id"])
    # What happens is written down in the transaction in which it happens, so that no code path can forget to.
    op.execute("""
        CREATE FUNCTION tell_user_event() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            kind text;
            facts jsonb;
        BEGIN
            IF TG_TABLE_NAME = 'posts' THEN
                kind := 'post.' || CASE NEW.status WHEN 'on_hold' THEN 'held' ELSE NEW.status END;
                facts := jsonb_build_object(
                    'platform', NEW.platform, 'account_id', NEW.account_id, 'scheduled_for', NEW.scheduled_for,
                    'posted_at', NEW.posted_at, 'permalink', NEW.permalink, 'platform_post_id', NEW.platform_post_id,
                    'error_code', NEW.error_code, 'error_message', NEW.error_message, 'group_id', NEW.group_id
                );
            ELSIF TG_TABLE_NAME = 'social_accounts' THEN
                kind := 'account.' || CASE WHEN NEW.status IN ('expired', 'revoked') THEN 'needs_reconnect'
                                           ELSE NEW.status END;
                facts := jsonb_build_object(
                    'platform', NEW.platform, 'account_name', NEW.account_name, 'status', NEW.status,
                    'reason', NEW.status_reason
                );
            ELSIF TG_TABLE_NAME = 'content_queue' THEN
                kind := 'queue.' || CASE
                    WHEN NEW.error_code IS DISTINCT FROM OLD.error_code AND NEW.error_code IS NOT NULL THEN 'failed'
                    ELSE NEW.status END;
                facts := jsonb_build_object(
                    'title', NEW.product_data ->> 'title', 'status', NEW.status, 'version', NEW.version,
                    'error_code', NEW.error_code, 'error_message', NEW.error_message
                );
            ELSE
                kind := 'subscription.updated';
                facts := jsonb_build_object(
                    'plan', NEW.plan, 'status', NEW.status, 'past_due_since', NEW.past_due_since,
                    'cancels_at', NEW.cancels_at, 'invoice_url', NEW.invoice_url
                );
            END IF;
            INSERT INTO user_events (user_id, kind, subject_id, facts) VALUES (NEW.user_id, kind, NEW.id, facts);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER tell_new_post AFTER INSERT ON posts FOR EACH ROW
        WHEN (NEW.status = 'scheduled') EXECUTE FUNCTION tell_user_event()
    """)
    op.execute("""
        CREATE TRIGGER tell_post AFTER UPDATE OF status ON posts FOR EACH ROW
        WHEN (NEW.status <> OLD.status AND NEW.status <> 'publishing') EXECUTE FUNCTION tell_user_event()
    """)
    op.execute("""
        CREATE TRIGGER tell_account AFTER UPDATE OF status ON social_accounts FOR EACH ROW
        WHEN (NEW.status <> OLD.status) EXECUTE FUNCTION tell_user_event()
    """)
    op.execute("""
        CREATE TRIGGER tell_queue_item AFTER UPDATE OF status, version, error_code ON content_queue FOR EACH ROW
        WHEN (NEW.status <> OLD.status OR NEW.version <> OLD.version
              OR (NEW.error_code IS NOT NULL AND NEW.error_code IS DISTINCT FROM OLD.error_code))
        EXECUTE FUNCTION tell_user_event()
    """)
    op.execute("""
        CREATE TRIGGER tell_subscription AFTER UPDATE OF plan, status, past_due_since, cancels_at ON subscriptions
        FOR EACH ROW WHEN (ROW(NEW.plan, NEW.status, NEW.past_due_since, NEW.cancels_at)
                           IS DISTINCT FROM ROW(OLD.plan, OLD.status, OLD.past_due_since, OLD.cancels_at))
        EXECUTE FUNCTION tell_user_event()
    """)
    op.execute("""
        CREATE TRIGGER tell_new_subscription AFTER INSERT ON subscriptions FOR EACH ROW
        EXECUTE FUNCTION tell_user_event()
    """)


def downgrade() -> None:
    for trigger, table in (
        ("tell_new_post", "posts"),
        ("tell_post", "posts"),
        ("tell_account", "social_accounts"),
        ("tell_queue_item", "content_queue"),
        ("tell_subscription", "subscriptions"),
        ("tell_new_subscription", "subscriptions"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.execute("DROP FUNCTION tell_user_event")
    op.drop_constraint(op.f("uq_users_external_platform_id"), "users", type_="unique")
    op.drop_column("users", "external_store_id")
    op.drop_column("users", "external_platform_id")
    op.drop_column("users", "trial_used_at")
    op.drop_column("users", "totp_last_step")
    op.drop_column("users", "totp_enabled_at")
    op.drop_column("users", "totp_key_version")
    op.drop_column("users", "totp_ciphertext")
    op.drop_column("users", "password_changed_at")
    op.drop_column("users", "email_verified_at")
    op.drop_column("subscriptions", "synced_at")
    op.drop_column("subscriptions", "invoice_url")
    op.drop_column("subscriptions", "past_due_since")
    op.drop_column("subscriptions", "trial_ends_at")
    op.drop_column("subscriptions", "cancels_at")
    op.drop_column("subscriptions", "price_id")
    op.drop_column("auth_sessions", "user_agent")
    op.drop_column("auth_sessions", "ip_address")
    op.drop_table("webhook_deliveries")
    op.drop_table("account_snapshots")
    op.drop_table("webhook_endpoints")
    op.drop_table("user_events")
    op.drop_table("recovery_codes")
    op.drop_table("one_time_tokens")
    op.drop_table("notifications")
    op.drop_table("notification_settings")
    op.drop_table("checkouts")
    op.drop_table("audit_events")
    op.drop_table("billing_prices")
    op.drop_table("billing_events")
